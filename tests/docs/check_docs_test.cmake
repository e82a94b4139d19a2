# cmake -D SCRIPT=check_docs.cmake -D SCRATCH=<folder> -P check_docs_test.cmake
# Breaks each rule in a tree of its own and expects the script to say so.
cmake_minimum_required(VERSION 3.16)

# A tree without fault.
function(make tree)
  set(root "${SCRATCH}/${tree}")
  file(WRITE "${root}/code.cpp" "int main() {\n  // [part]\n  if (a[0] == ';') {\n    f(\"\\n\");\n  }\n  // [/part]\n}\n")
  file(WRITE "${root}/whole.txt" "one; [two\n")
  file(WRITE "${root}/include/dingcb/error.hpp"
       "enum class Errc {\n  first = 1,  ///< 900001: a.\n  base64_x,   ///< 900008: b [c; d].\n  third,  ///< No number. c.\n};\n")
  file(WRITE "${root}/include/dingcb/impl/diagnosis_texts.ipp"
       "table[] = {\n    {\"none\", Suspect::none, \"\", \"\"},\n    {\"base64\", Suspect::body, \"\", \"\"},\n")
  file(WRITE "${root}/include/dingcb/impl/testkit.ipp"
       "table[] = {\n    {\"none\", \"reply\", \"\"},\n    {\"field_x\", \"timeStamp\",\n     \"a; [b\"},\n")
  file(WRITE "${root}/include/dingcb/impl/registration.ipp"
       "table[] = {\n    {71006, Errc::callback_exists, \"\", \"\"},\n    {40057, Errc::platform_refused,\n     \"\", \"\"},\n")
  string(
    CONCAT
      readme
      "# Title\n\n<!-- quote: code.cpp [part] -->\n```cpp\nif (a[0] == ';') {\n  f(\"\\n\");\n}\n```\n"
      "## More\n<!-- quote: whole.txt -->\n```\none; [two\n```\nSee [the errors](docs/errors.md#table), [it](https://example.com/x).\n")
  file(WRITE "${root}/README.md" "${readme}")
  file(WRITE "${root}/README.zh-CN.md" "${readme}")
  file(WRITE "${root}/docs/errors.zh-CN.md"
       "# Errc\n## Only\n| `first` | 900001 | x |\n| `base64_x` | 900008 | x |\n| `third` | - | x |\n")
  file(WRITE "${root}/docs/guide.md" "# Guide\n## One\n")
  file(WRITE "${root}/docs/guide.zh-CN.md" "# Guide\n## One\n")
  file(WRITE "${root}/docs/errors.md"
       "# Errors\n[up](../README.md)\n| `first` | 900001 | x |\n| `base64_x` | 900008 | x |\n| `third` | - | x |\n\n"
       "| `none` | `none` | x |\n| `base64` | `body` | x |\n\n"
       "| `none` | reply | x |\n| `field_x` | timeStamp | x |\n\n"
       "| `71006` | callback_exists | x |\n| `40057` | platform_refused | x |\n")
endfunction()

function(expect tree message)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -DROOT=${SCRATCH}/${tree} -P "${SCRIPT}"
    RESULT_VARIABLE status
    ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  if(message STREQUAL "" AND NOT status EQUAL 0)
    message(SEND_ERROR "${tree}: refused a tree without fault: ${output}")
  elseif(NOT message STREQUAL "")
    string(FIND "${output}" "${message}" at)
    if(status EQUAL 0 OR at EQUAL -1)
      message(SEND_ERROR "${tree}: expected '${message}', got: ${output}")
    endif()
  endif()
endfunction()

# spoil(<tree> <file> <text> <other text> <message>): replaces a text in a file of a good tree and expects the message.
function(spoil tree file text other message)
  make(${tree})
  file(READ "${SCRATCH}/${tree}/${file}" good)
  string(REPLACE "${text}" "${other}" bad "${good}")
  if(bad STREQUAL good)
    message(SEND_ERROR "${tree}: nothing was broken")
  endif()
  file(WRITE "${SCRATCH}/${tree}/${file}" "${bad}")
  expect(${tree} "${message}")
endfunction()

file(REMOVE_RECURSE "${SCRATCH}")
make(good)
expect(good "")

spoil(stale_quote code.cpp "a[0]" "b[0]" "README.md: the quote of code.cpp [part] is not what stands there")
spoil(stale_file whole.txt "two" "three" "README.md: the quote of whole.txt [] is not what stands there")
spoil(lost_margin README.md "  f(" "f(" "README.md: the quote of code.cpp [part] is not")
spoil(lost_region code.cpp "// [part]" "// [old]" "README.md: quotes code.cpp [part], which does not exist")
spoil(endless_region code.cpp "// [/part]" "" "README.md: code.cpp [part] has no end")
spoil(lost_file README.md "quote: code.cpp" "quote: gone.cpp" "README.md: quotes gone.cpp, which does not exist")
spoil(no_block README.md " -->\n```cpp" " -->\n\n```cpp" "README.md: a quote that is no")

spoil(new_errc include/dingcb/error.hpp "  third," "  fourth,  ///< 900009: d.\n  third,"
      "docs/errors.md: has no row '| `fourth` | 900009 |'")
spoil(wrong_number docs/errors.zh-CN.md "| 900008 |" "| 900009 |" "docs/errors.zh-CN.md: has no row '| `base64_x` | 900008 |'")
spoil(no_number docs/errors.md "| `third` | - |" "| `third` | 900003 |" "docs/errors.md: has no row '| `third` | - |'")
spoil(old_errc docs/errors.md "| `third`" "| `gone` | - | x |\n| `third`" "docs/errors.md: the row '| `gone` | - |' is not of the headers")
spoil(row_twice docs/errors.md "| `third`" "| `first` | 900001 | x |\n| `third`" "docs/errors.md: the row '| `first` | 900001 |' is not")
spoil(no_errc include/dingcb/error.hpp "///<" "//" "error.hpp: no Errc found")

spoil(new_cause include/dingcb/impl/diagnosis_texts.ipp "base64" "base65" "docs/errors.md: has no row '| `base65` | `body` |'")
spoil(wrong_suspect docs/errors.md "`body`" "`token`" "docs/errors.md: the row '| `base64` | `token` |' is not of the headers")
spoil(no_causes include/dingcb/impl/diagnosis_texts.ipp "Suspect" "suspect" "diagnosis_texts.ipp: no causes found")

spoil(new_problem include/dingcb/impl/testkit.ipp "field_x" "field_y" "docs/errors.md: has no row '| `field_y` | timeStamp |'")
spoil(wrong_part docs/errors.md "| timeStamp |" "| nonce |" "docs/errors.md: the row '| `field_x` | nonce |' is not of the headers")
spoil(no_problems include/dingcb/impl/testkit.ipp "\", \"" "\" , \"" "testkit.ipp: no problems found")

spoil(new_code include/dingcb/impl/registration.ipp "71006" "71007" "docs/errors.md: has no row '| `71007` | callback_exists |'")
spoil(wrong_errc docs/errors.md "platform_refused" "callback_unknown" "docs/errors.md: the row '| `40057` | callback_unknown |' is not")
spoil(no_codes include/dingcb/impl/registration.ipp "Errc" "errc" "registration.ipp: no codes found")

spoil(dead_link README.md "(docs/errors.md#table)" "(docs/gone.md)" "README.md: links to docs/gone.md, which does not exist")
spoil(dead_link_up docs/errors.md "../README.md" "README.md" "docs/errors.md: links to README.md, which does not exist")
spoil(dead_path include/dingcb/error.hpp "a." "see docs/gone.md." "error.hpp: speaks of docs/gone.md, which does not exist")

spoil(lost_heading README.zh-CN.md "## More" "More" "README.zh-CN.md: has other headings than README.md")
spoil(other_level README.zh-CN.md "## More" "### More" "README.zh-CN.md: has other headings")
spoil(lost_quote README.zh-CN.md "<!-- quote: whole.txt -->\n" "" "README.zh-CN.md: has other quotes than README.md")
spoil(lost_heading_of_guide docs/guide.md "## One" "One" "docs/guide.zh-CN.md: has other headings than docs/guide.md")

file(MAKE_DIRECTORY "${SCRATCH}/empty")
expect(empty "no documents")
