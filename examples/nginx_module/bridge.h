/* Between the C of nginx and the C++ of dingcb. No function lets an exception out. */
#ifndef DINGCB_EXAMPLE_BRIDGE_H
#define DINGCB_EXAMPLE_BRIDGE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  void *request; /* as it was given to bridge_handle() */
  int status;
  const char *content_type; /* a literal */
  size_t content_type_size;
  const char *body; /* valid until the next call of bridge_next() */
  size_t body_size;
} bridge_answer;

/* Once in each worker. Answers that are ready make `wake`, an eventfd, readable. Returns 0, or -1 where that fails. */
int bridge_start(int wake);
void bridge_handle(void *request, const char *query, size_t query_size, const char *body, size_t body_size);
/* Gives the next answer that is ready. Returns 1, or 0 where there is none. */
int bridge_next(bridge_answer *answer);
void bridge_expire(void);
void bridge_stop(void);

#ifdef __cplusplus
}
#endif

#endif
