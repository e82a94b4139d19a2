#include "heap.hpp"

#include <openssl/crypto.h>

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

namespace heap {
namespace {

thread_local Watch* watch = nullptr;
std::atomic<void (*)(const void*, std::size_t)> inspector{nullptr};

}  // namespace

Watch::Watch(std::size_t failing_new, std::size_t failing_openssl)
    : failing_new_(failing_new), failing_openssl_(failing_openssl) {
  watch = this;
}

Watch::~Watch() { watch = nullptr; }

bool refuses_new(std::size_t size) {
  if (watch == nullptr) return false;
  watch->counts_.new_bytes += size;
  watch->counts_.largest_new = std::max(watch->counts_.largest_new, size);
  return ++watch->counts_.news == watch->failing_new_;
}

bool refuses_openssl(std::size_t size) {
  if (watch == nullptr) return false;
  watch->counts_.openssl_bytes += size;
  return ++watch->counts_.openssl == watch->failing_openssl_;
}

void inspect_freed(void (*inspect)(const void* block, std::size_t size)) { inspector = inspect; }

namespace {

void release(void* block) {
  const auto inspect = inspector.load();
  if (inspect != nullptr && block != nullptr) inspect(block, malloc_usable_size(block));
  std::free(block);
}

void* openssl_allocate(std::size_t size, const char*, int) {
  return refuses_openssl(size) ? nullptr : std::malloc(size);
}

// Never in place, so that what the old block held is seen.
void* openssl_reallocate(void* block, std::size_t size, const char*, int) {
  void* const larger = size == 0 || refuses_openssl(size) ? nullptr : std::malloc(size);
  if (larger != nullptr && block != nullptr) std::memcpy(larger, block, std::min(size, malloc_usable_size(block)));
  if (larger != nullptr || size == 0) release(block);
  return larger;
}

void openssl_free(void* block, const char*, int) { release(block); }

// OpenSSL takes another allocator only before it has used its own, so it is given one before main().
const bool kInstalled = CRYPTO_set_mem_functions(openssl_allocate, openssl_reallocate, openssl_free) == 1;

void* allocate(std::size_t size) {
  if (refuses_new(size)) throw std::bad_alloc();
  if (void* const block = std::malloc(size)) return block;
  throw std::bad_alloc();
}

void* allocate(std::size_t size, std::align_val_t alignment) {
  if (refuses_new(size)) throw std::bad_alloc();
  const std::size_t unit = static_cast<std::size_t>(alignment);
  if (void* const block = std::aligned_alloc(unit, (size + unit - 1) / unit * unit)) return block;
  throw std::bad_alloc();
}

}  // namespace

bool watches_openssl() { return kInstalled; }

}  // namespace heap

void* operator new(std::size_t size) { return heap::allocate(size); }
void* operator new[](std::size_t size) { return heap::allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment) { return heap::allocate(size, alignment); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return heap::allocate(size, alignment); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return heap::refuses_new(size) ? nullptr : std::malloc(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return heap::refuses_new(size) ? nullptr : std::malloc(size);
}
void operator delete(void* block, const std::nothrow_t&) noexcept { heap::release(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { heap::release(block); }
void operator delete(void* block) noexcept { heap::release(block); }
void operator delete[](void* block) noexcept { heap::release(block); }
void operator delete(void* block, std::size_t) noexcept { heap::release(block); }
void operator delete[](void* block, std::size_t) noexcept { heap::release(block); }
void operator delete(void* block, std::align_val_t) noexcept { heap::release(block); }
void operator delete[](void* block, std::align_val_t) noexcept { heap::release(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { heap::release(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { heap::release(block); }
