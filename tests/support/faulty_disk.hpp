// A disk under SQLite that counts what is synced, and fails when it is told to.
#pragma once

#include <sqlite3.h>

#include <atomic>

namespace faulty_disk {

/// What SQLite asks of the files of this process, as soon as a Disk lives.
struct State {
  std::atomic<int> syncs{0};                // of the log
  std::atomic<int> write_fails{SQLITE_OK};  // what writing to the log gives
  std::atomic<int> sync_fails{SQLITE_OK};   // what syncing it gives
  sqlite3_vfs* real = nullptr;
};
inline State& state() {
  static State instance;
  return instance;
}

struct File {
  sqlite3_file base;
  bool log;
  sqlite3_file* real() noexcept { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
inline File* file(sqlite3_file* any) noexcept { return reinterpret_cast<File*>(any); }
inline sqlite3_file* real(sqlite3_file* any) noexcept { return file(any)->real(); }

inline const sqlite3_io_methods& methods() {
  static const sqlite3_io_methods table = [] {
    sqlite3_io_methods m{};
    m.iVersion = 2;
    m.xClose = [](sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); };
    m.xRead = [](sqlite3_file* f, void* bytes, int size, sqlite3_int64 at) {
      return real(f)->pMethods->xRead(real(f), bytes, size, at);
    };
    m.xWrite = [](sqlite3_file* f, const void* bytes, int size, sqlite3_int64 at) {
      if (const int code = state().write_fails; file(f)->log && code != SQLITE_OK) return code;
      return real(f)->pMethods->xWrite(real(f), bytes, size, at);
    };
    m.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) { return real(f)->pMethods->xTruncate(real(f), size); };
    m.xSync = [](sqlite3_file* f, int flags) {
      if (const int code = state().sync_fails; file(f)->log && code != SQLITE_OK) return code;
      const int code = real(f)->pMethods->xSync(real(f), flags);
      if (file(f)->log && code == SQLITE_OK) ++state().syncs;
      return code;
    };
    m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) { return real(f)->pMethods->xFileSize(real(f), size); };
    m.xLock = [](sqlite3_file* f, int kind) { return real(f)->pMethods->xLock(real(f), kind); };
    m.xUnlock = [](sqlite3_file* f, int kind) { return real(f)->pMethods->xUnlock(real(f), kind); };
    m.xCheckReservedLock = [](sqlite3_file* f, int* held) {
      return real(f)->pMethods->xCheckReservedLock(real(f), held);
    };
    m.xFileControl = [](sqlite3_file* f, int what, void* about) {
      return real(f)->pMethods->xFileControl(real(f), what, about);
    };
    m.xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); };
    m.xDeviceCharacteristics = [](sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); };
    m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** at) {
      return real(f)->pMethods->xShmMap(real(f), page, size, extend, at);
    };
    m.xShmLock = [](sqlite3_file* f, int offset, int n, int flags) {
      return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
    };
    m.xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); };
    m.xShmUnmap = [](sqlite3_file* f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); };
    return m;
  }();
  return table;
}

/// While it lives, files that SQLite opens are on this disk.
class Disk {
 public:
  Disk() {
    state().real = sqlite3_vfs_find(nullptr);
    state().syncs = 0;
    heal();
    vfs_ = *state().real;
    vfs_.zName = "faulty_disk";
    vfs_.pNext = nullptr;
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + state().real->szOsFile;
    vfs_.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* opened, int flags, int* out_flags) {
      File* const mine = file(opened);
      mine->log = (flags & SQLITE_OPEN_WAL) != 0;
      const int code = state().real->xOpen(state().real, name, mine->real(), flags, out_flags);
      mine->base.pMethods = mine->real()->pMethods == nullptr ? nullptr : &methods();
      return code;
    };
    sqlite3_vfs_register(&vfs_, 1);
  }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  ~Disk() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(state().real, 1);
  }

  int syncs() const { return state().syncs; }
  void fail_writes(int code) const { state().write_fails = code; }
  void fail_syncs(int code) const { state().sync_fails = code; }
  void heal() const {
    state().write_fails = SQLITE_OK;
    state().sync_fails = SQLITE_OK;
  }

 private:
  sqlite3_vfs vfs_{};
};

}  // namespace faulty_disk
