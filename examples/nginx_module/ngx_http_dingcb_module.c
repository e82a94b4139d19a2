/* dingcb inside nginx: the directive `dingcb;` makes a location answer callbacks. The C++ half is main.cpp. */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <sys/eventfd.h>

#include "bridge.h"

static ngx_connection_t *wake;
static ngx_event_t timer;
static ngx_uint_t waiting; /* requests that have no answer yet */

/* A worker that shall end waits for timers that are not cancelable: for this one as long as an answer is missing. */
static void count(ngx_int_t change) {
  waiting += change;
  timer.cancelable = waiting == 0;
}

static void on_body(ngx_http_request_t *r) {
  ngx_chain_t *link, *bufs = r->request_body != NULL ? r->request_body->bufs : NULL;
  size_t size = 0;
  for (link = bufs; link != NULL; link = link->next) size += ngx_buf_size(link->buf);
  u_char *body = ngx_pnalloc(r->pool, size + 1), *end = body;
  if (body == NULL) {
    ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    return;
  }
  for (link = bufs; link != NULL; link = link->next) {
    size_t length = ngx_buf_size(link->buf);
    if (!link->buf->in_file) {
      end = ngx_cpymem(end, link->buf->pos, length);
    } else if (ngx_read_file(link->buf->file, end, length, link->buf->file_pos) == (ssize_t)length) {
      end += length; /* larger than client_body_buffer_size */
    } else {
      ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
      return;
    }
  }
  count(1);
  bridge_handle(r, (const char *)r->args.data, r->args.len, (const char *)body, size);
}

static ngx_int_t on_request(ngx_http_request_t *r) {
  if (r->method != NGX_HTTP_POST) return NGX_HTTP_NOT_ALLOWED;
  ngx_int_t rc = ngx_http_read_client_request_body(r, on_body);
  return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}

static void send_answer(ngx_http_request_t *r, const bridge_answer *answer) {
  ngx_connection_t *connection = r->connection;
  ngx_int_t rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
  ngx_buf_t *buf = ngx_create_temp_buf(r->pool, answer->body_size);
  if (buf != NULL) {
    buf->last = ngx_cpymem(buf->last, answer->body, answer->body_size);
    buf->last_buf = buf->last_in_chain = 1;
    ngx_chain_t out = {buf, NULL};
    r->headers_out.status = answer->status;
    r->headers_out.content_length_n = (off_t)answer->body_size;
    r->headers_out.content_type.data = (u_char *)answer->content_type;
    r->headers_out.content_type.len = r->headers_out.content_type_len = answer->content_type_size;
    rc = ngx_http_send_header(r);
    if (rc == NGX_OK) rc = ngx_http_output_filter(r, &out);
  }
  ngx_http_finalize_request(r, rc);
  ngx_http_run_posted_requests(connection);
}

static void on_wake(ngx_event_t *event) {
  uint64_t times;
  if (read(wake->fd, &times, sizeof(times)) < 0 && ngx_errno != NGX_EAGAIN) return;
  bridge_answer answer;
  while (bridge_next(&answer)) {
    count(-1);
    send_answer(answer.request, &answer);
  }
  (void)event;
}

static void on_timer(ngx_event_t *event) {
  bridge_expire();
  ngx_add_timer(event, 50);
}

static ngx_int_t init_process(ngx_cycle_t *cycle) {
  if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE) return NGX_OK;
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  wake = fd < 0 ? NULL : ngx_get_connection(fd, cycle->log);
  if (wake == NULL || bridge_start(fd) != 0) return NGX_ERROR;
  wake->read->handler = on_wake;
  wake->read->log = timer.log = cycle->log;
  wake->read->channel = wake->write->channel = 1; /* no connection of a client that nginx has to end */
  timer.handler = on_timer;
  timer.data = wake;
  timer.cancelable = 1;
  ngx_add_timer(&timer, 50);
  return ngx_add_event(wake->read, NGX_READ_EVENT, 0);
}

static void exit_process(ngx_cycle_t *cycle) {
  if (wake != NULL) bridge_stop();
  (void)cycle;
}

static char *set_handler(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  ngx_http_core_loc_conf_t *location = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
  location->handler = on_request;
  (void)command;
  (void)conf;
  return NGX_CONF_OK;
}

static ngx_command_t commands[] = {
    {ngx_string("dingcb"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, set_handler, NGX_HTTP_LOC_CONF_OFFSET, 0, NULL},
    ngx_null_command};

static ngx_http_module_t context = {NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};

ngx_module_t ngx_http_dingcb_module = {NGX_MODULE_V1, &context,     commands, NGX_HTTP_MODULE, NULL,
                                       NULL,          init_process, NULL,     NULL,            exit_process,
                                       NULL,          NGX_MODULE_V1_PADDING};
