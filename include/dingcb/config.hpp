// Build mode, symbol visibility and the inline namespace. Every other header includes this one first.
#pragma once

// The target dingcb::dingcb defines DINGCB_COMPILED for its users; dingcb::header_only does not. Each form lives in an
// inline namespace of its own, so that a program that mixes both by accident has two sets of symbols instead of one set
// of which the linker picks either definition (docs/decisions/0002-two-forms-one-source.md).
#if defined(DINGCB_COMPILED)
#define DINGCB_ABI_NAMESPACE v0
#define DINGCB_INLINE
#else
#define DINGCB_ABI_NAMESPACE v0_header_only
#define DINGCB_INLINE inline
#endif

// Exported from a shared library; DINGCB_SHARED and DINGCB_BUILDING come from the CMake targets. The header-only form
// exports its error category too: two libraries built with hidden symbols must agree on one address for it.
#if defined(_WIN32)
#if defined(DINGCB_SHARED) && defined(DINGCB_BUILDING)
#define DINGCB_API __declspec(dllexport)
#elif defined(DINGCB_SHARED)
#define DINGCB_API __declspec(dllimport)
#else
#define DINGCB_API
#endif
#elif defined(__GNUC__)
#define DINGCB_API __attribute__((visibility("default")))
#else
#define DINGCB_API
#endif

// On a type: its type information is shared between libraries, so that an exception thrown in one is caught in another.
#if defined(__GNUC__) && !defined(_WIN32)
#define DINGCB_VISIBLE __attribute__((visibility("default")))
#else
#define DINGCB_VISIBLE
#endif

#define DINGCB_NAMESPACE_BEGIN \
  namespace dingcb {           \
  inline namespace DINGCB_ABI_NAMESPACE {
#define DINGCB_NAMESPACE_END \
  }                          \
  }
