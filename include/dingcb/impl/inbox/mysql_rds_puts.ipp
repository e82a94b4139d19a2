// What is put into DingTalk's tables.
#pragma once

#include <dingcb/impl/guard.ipp>
#include <dingcb/impl/inbox/mysql_connection.ipp>
#include <dingcb/impl/inbox/mysql_pool.ipp>
#include <dingcb/impl/inbox/mysql_put_queue.ipp>
#include <dingcb/impl/inbox/mysql_rds_tables.ipp>
#include <dingcb/inbox/mysql.hpp>

#include <cstdint>
#include <string>
#include <string_view>

DINGCB_NAMESPACE_BEGIN
namespace detail {
namespace mysql {

/// The puts of an RdsInbox: rows as DingTalk would write them.
class RdsPuts final : public PutQueue {
 public:
  explicit RdsPuts(const RdsInboxOptions& options)
      : PutQueue(options.server, options.max_queued, options.max_queued_size),
        is_medium_(options.is_medium),
        utc_offset_minutes_(options.utc_offset_minutes),
        pool_(options.server, options.server.put_connections, options.server.put_timeout) {}

 private:
  void store(Job* first, Job* last) override {
    // Each by itself, so that few rows are locked at a time.
    for (Job* job = first; job != last; ++job) {
      const Result<PutCount> count = store(*job);
      tell(job, job + 1, count ? Result<Counts>(Counts{*count}) : Result<Counts>(count.error()));
    }
  }

  Result<PutCount> store(const Job& job) {
    return pool_.transact<PutCount>("store rows", [&](Connection& connection) -> Result<PutCount> {
      PutCount counted;
      for (const StoredEvent& stored : job.events) {
        if (stored.source != Source::sync_http && stored.source != Source::rds) {
          return fail(Errc::inbox_unsupported, "DingTalk's tables take rows of SyncHTTP pushes only");
        }
        const Result<Event> event = stored.event();
        if (!event) return event.error();
        Answer answer;
        if (!connection.run(upsert_of(stored, *event, connection), answer)) return failed();
        (answer.affected == 0 ? counted.duplicates : counted.stored) += 1;
      }
      return counted;
    });
  }

  std::string upsert_of(const StoredEvent& stored, const Event& event, const Connection& connection) const {
    const EventHeader& header = event.header();
    const bool medium = is_medium_ && is_medium_(stored);
    const std::int64_t naive =
        header.gmt_modified_ms.value_or(header.born_ms.value_or(0)) + utc_offset_minutes_ * std::int64_t{60000};
    // Whole seconds, as the column has them, so that the comparison below sees what was stored.
    const std::string time = "'1970-01-01' + INTERVAL " + std::to_string(naive / 1000) + " SECOND";
    static constexpr std::string_view kNewer =
        "(VALUES(gmt_modified) > gmt_modified OR (VALUES(gmt_modified) = gmt_modified AND VALUES(open_cursor) > "
        "open_cursor))";
    std::string statement = "INSERT INTO " + std::string(kTables[medium ? 1 : 0].name) +
                            " (gmt_create,gmt_modified,subscribe_id,corp_id,biz_id,biz_type,biz_data,open_cursor,"
                            "status) VALUES (" +
                            time + "," + time + "," + connection.quote_text(header.subscribe_id) + "," +
                            connection.quote_text(header.corp_id) + "," + connection.quote_text(header.biz_id) + "," +
                            std::to_string(header.biz_type.value_or(0)) + "," +
                            connection.quote_text(event.json().raw()) + "," +
                            std::to_string(header.open_cursor.value_or(0)) + ",0) ON DUPLICATE KEY UPDATE ";
    // From left to right, so that what is compared is changed last.
    for (const std::string_view column : {"status", "biz_data", "gmt_create", "open_cursor", "gmt_modified"}) {
      if (column != "status") statement += ',';
      statement += std::string(column) + " = IF(" + std::string(kNewer) + ", VALUES(" + std::string(column) + "), " +
                   std::string(column) + ")";
    }
    return statement;
  }

  const Function<bool(const StoredEvent&)> is_medium_;
  const int utc_offset_minutes_;
  Pool pool_;
};

}  // namespace mysql
}  // namespace detail
DINGCB_NAMESPACE_END
