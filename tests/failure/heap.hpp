// Watches the heap: replaces operator new and delete, and OpenSSL's allocator, for the whole program.
#pragma once

#include <cstddef>

namespace heap {

struct Counts {
  std::size_t news = 0;           // calls of operator new
  std::size_t new_bytes = 0;      // what they asked for, in total
  std::size_t largest_new = 0;    // the most that one of them asked for
  std::size_t openssl = 0;        // allocations of OpenSSL, growing ones included
  std::size_t openssl_bytes = 0;  // what they asked for, in total
};

/// Counts the allocations of this thread while it lives; may let one of them fail.
class Watch {
 public:
  Watch() : Watch(0, 0) {}
  /// Lets call number `failing_new` (from 1) of operator new throw bad_alloc, or number `failing_openssl` of OpenSSL's
  /// allocations return null; 0 lets none fail.
  Watch(std::size_t failing_new, std::size_t failing_openssl);
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch();

  const Counts& counts() const { return counts_; }

 private:
  friend bool refuses_new(std::size_t size);
  friend bool refuses_openssl(std::size_t size);

  Counts counts_;
  std::size_t failing_new_;
  std::size_t failing_openssl_;
};

/// Shows each block to `inspect` before it is freed, until it is set to null. It must not allocate.
void inspect_freed(void (*inspect)(const void* block, std::size_t size));

/// True where OpenSSL really asks the replaced allocator.
bool watches_openssl();

}  // namespace heap
