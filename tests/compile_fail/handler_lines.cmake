# cmake -D COMPILER=<c++> -D PRINTER=<program> -D INCLUDE=<folder> -D SCRATCH=<folder> -P handler_lines.cmake
# The lines that handler_for() gives compile where its documentation says to paste them: some of them in a Builder, and
# all, because a real one would take half a minute over them, in a stand-in that wants to see events.
cmake_minimum_required(VERSION 3.16)

execute_process(COMMAND "${PRINTER}" RESULT_VARIABLE status OUTPUT_VARIABLE all)
execute_process(COMMAND "${PRINTER}" 12 RESULT_VARIABLE second_status OUTPUT_VARIABLE some)
if(NOT status EQUAL 0 OR NOT second_status EQUAL 0)
  message(FATAL_ERROR "${PRINTER} failed")
endif()
string(REGEX MATCHALL "#include <[^>]+>" includes "${all}")
list(LENGTH includes count)
if(count LESS 200)
  message(FATAL_ERROR "only ${count} lines name a header")
endif()
list(REMOVE_DUPLICATES includes)
string(REPLACE ";" "\n" includes "${includes}")
set(source "${SCRATCH}/handler_lines.cpp")
file(WRITE "${source}" "#include <dingcb/dispatcher.hpp>\n${includes}
struct StandIn {
  template <class F>
  StandIn& on(F) {
    static_assert(dingcb::detail::kIsEvent<typename dingcb::detail::HandlerArgument<F>::type>, \"no event\");
    return *this;
  }
  template <class F>
  StandIn& on_type(const char*, F) {
    return *this;
  }
};
void add(StandIn& builder) {
builder
${all};
}
void add(dingcb::Dispatcher::Builder& builder) {
builder
${some};
}
")
execute_process(COMMAND "${COMPILER}" -std=c++17 -fsyntax-only -DDINGCB_COMPILED -I "${INCLUDE}" "${source}"
                RESULT_VARIABLE status ERROR_VARIABLE output)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${source} does not compile:\n${output}")
endif()
