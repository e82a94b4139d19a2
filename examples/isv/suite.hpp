// What a service does over the life of its suite (a third-party app of an ISV): the ticket, and organisations that
// authorise, change and relieve it. This is the part to take over; main.cpp plays DingTalk against it.
//
// All of it runs in a worker, at least once: twice where the process dies, or loses its lease, between the end of a
// handler and the commit of its verdict. So it must be idempotent, that is, all right when it is done again:
//  * What an organisation authorised is written as a whole, under its corp_id: nothing is added or counted up.
//  * A temporary code works once. The permanent code is saved before anything else is done with it, and a second run
//    finds it there.
//  * activate(), and what you set up for an organisation, must find out that it was done before.
//  * To close what is closed is no error.
// And an authorisation or a relieve that is older than what is known changes nothing: events about one organisation are
// handled in the order in which they were stored, but DingTalk repeats what it thinks was lost, after what came later.
// Of rows, DingTalk keeps the newest alone: org_suite_change may be the first that is heard of an organisation, and is
// the same as org_suite_auth.
#pragma once

#include <dingcb/dispatcher.hpp>
#include <dingcb/events/app_lifecycle.hpp>
#include <dingcb/inbox.hpp>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace isv {

/// An organisation that has authorised the suite, or had.
struct Organisation {
  bool open = false;                      ///< It may use the suite.
  std::string auth_code;                  ///< The temporary code that was turned in.
  std::string permanent_code;             ///< What it was turned in for. A secret.
  std::vector<std::int64_t> departments;  ///< Which the suite may read.
  std::int64_t turned_ms = 0;             ///< When the event happened that opened or closed it.
};

/// The table of organisations in your database. This one is gone when the program ends.
class Organisations {
 public:
  /// Gives an organisation as it is known; a closed one without anything where it is not.
  Organisation find(const std::string& corp_id) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = by_corp_id_.find(corp_id);
    return found == by_corp_id_.end() ? Organisation() : found->second;
  }

  /// Changes an organisation in one transaction.
  template <class Change>
  void change(const std::string& corp_id, const Change& change) {
    const std::lock_guard<std::mutex> lock(mutex_);
    change(by_corp_id_[corp_id]);
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Organisation> by_corp_id_;
};

/// The calls of DingTalk's server API that a suite needs, yours to fill in with your HTTP client. Each gets the ticket
/// for its suite_access_token, and throws where it could not be made: the event is then tried again.
class ServerApi {
 public:
  ServerApi() = default;
  ServerApi(const ServerApi&) = delete;
  ServerApi& operator=(const ServerApi&) = delete;
  virtual ~ServerApi() = default;

  /// service/get_permanent_code. @return nothing where DingTalk says that the code is not valid, or not any more.
  virtual std::optional<std::string> permanent_code(const std::string& ticket, const std::string& auth_code) = 0;
  /// service/activate_suite, which suites with SyncHTTP or RDS push do not need.
  virtual void activate(const std::string& ticket, const std::string& corp_id, const std::string& permanent_code) = 0;
  /// The scope API. @return the departments that the suite may read now.
  virtual std::vector<std::int64_t> departments(const std::string& ticket, const std::string& corp_id) = 0;
};

/// Gives the newest ticket. It is stored before DingTalk has its answer, whether a worker runs or not, and stays until
/// a newer one comes.
/// @param suites the SuiteKey, which names the suite in an HTTP push, and the suite id, which does so in a row.
inline std::string newest_ticket(dingcb::Inbox& inbox, std::initializer_list<std::string_view> suites) {
  std::optional<dingcb::StoredEvent> newest;
  for (const std::string_view suite : suites) {
    auto found = inbox.latest(dingcb::suite_ticket_key(suite)).value();
    if (found && (!newest || newest->born_ms < found->born_ms)) newest = std::move(found);
  }
  if (!newest) throw std::runtime_error("no suite ticket has come yet; the developer console can push it again");
  const dingcb::Event event = newest->event().value();
  const auto* const ticket = event.get_if<dingcb::events::SuiteTicket>();
  if (ticket == nullptr) throw std::runtime_error("the newest suite ticket cannot be read");
  return ticket->suite_ticket;
}

/// Takes an event for the newest that opens or closes the organisation. @return false where a newer one was taken.
inline bool turn(Organisation& organisation, const dingcb::EventHeader& header) {
  const std::int64_t time_ms = header.born_ms.value_or(0);
  if (time_ms < organisation.turned_ms) return false;
  organisation.turned_ms = time_ms;
  return true;
}

/// Makes the handlers. Tickets need none, and the callback answers URL checks by itself.
/// @param ticket gives the newest one.
template <class Ticket>
dingcb::Dispatcher make_dispatcher(Organisations& organisations, ServerApi& api, Ticket ticket) {
  using namespace dingcb::events;

  const auto authorised = [&organisations](const auto& event, const dingcb::Context& context) {
    const dingcb::EventHeader& header = context.event().header();
    organisations.change(header.corp_id, [&](Organisation& organisation) {
      if (!turn(organisation, header)) return;
      organisation.open = true;
      if (event.auth_scope && event.auth_scope->auth_org_scopes) {
        organisation.departments = event.auth_scope->auth_org_scopes->authed_dept_ids;
      }
    });
  };
  const auto relieved = [&organisations](const dingcb::Context& context) {
    const dingcb::EventHeader& header = context.event().header();
    organisations.change(header.corp_id, [&](Organisation& organisation) {
      if (turn(organisation, header)) organisation = {false, {}, {}, {}, organisation.turned_ms};
    });
  };

  // The first three come by HTTP, the others by SyncHTTP and RDS.
  return dingcb::Dispatcher::Builder{}
      .on([&organisations, &api, ticket](const TmpAuthCode& event, dingcb::Context& context) {
        const dingcb::EventHeader& header = context.event().header();
        Organisation known = organisations.find(header.corp_id);
        if (!turn(known, header)) return dingcb::Ack::done();  // it was relieved since
        if (known.auth_code != event.auth_code) {
          const auto code = api.permanent_code(ticket(), event.auth_code);
          if (!code) return dingcb::Ack::drop("DingTalk takes no such code: the organisation must authorise again");
          known.permanent_code = *code;
          organisations.change(header.corp_id, [&](Organisation& organisation) {
            if (!turn(organisation, header)) return;
            organisation.auth_code = event.auth_code;
            organisation.permanent_code = *code;
          });
        }
        api.activate(ticket(), header.corp_id, known.permanent_code);
        const std::vector<std::int64_t> departments = api.departments(ticket(), header.corp_id);
        organisations.change(header.corp_id, [&](Organisation& organisation) {
          if (!turn(organisation, header)) return;
          organisation.open = true;
          organisation.departments = departments;
        });
        return dingcb::Ack::done();
      })
      .on([&organisations, &api, ticket](const ChangeAuth& event) {  // says only that the scope changed
        if (!organisations.find(event.auth_corp_id).open) return;    // its authorisation asks for the scope, too
        const std::vector<std::int64_t> departments = api.departments(ticket(), event.auth_corp_id);
        organisations.change(event.auth_corp_id, [&](Organisation& organisation) {
          if (organisation.open) organisation.departments = departments;
        });
      })
      .on([relieved](const SuiteRelieve&, dingcb::Context& context) { relieved(context); })
      .on([authorised](const OrgSuiteAuth& event, dingcb::Context& context) { authorised(event, context); })
      .on([authorised](const OrgSuiteChange& event, dingcb::Context& context) { authorised(event, context); })
      .on([relieved](const OrgSuiteRelieve&, dingcb::Context& context) { relieved(context); })
      .build()
      .value();
}

}  // namespace isv
