# SPDX-License-Identifier: Apache-2.0
# lockgate_embed(TARGET FILE): while TARGET is built, FILE becomes FILE.inc in its build folder: the bytes as numbers,
# to be included between the braces of an array. (An include and no source of its own: there is nothing to check in it.)
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${IN} bytes HEX)
  if(bytes STREQUAL "")
    message(FATAL_ERROR "${IN} is empty")
  endif()
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "((0x..,){24})" "\\1\n" bytes "${bytes}")
  file(WRITE ${OUT} "${bytes}\n")
  return()
endif()

set(LOCKGATE_EMBED ${CMAKE_CURRENT_LIST_FILE})
function(lockgate_embed target file)
  set(in ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${file}.inc)
  add_custom_command(OUTPUT ${out} DEPENDS ${in} ${LOCKGATE_EMBED} VERBATIM COMMENT "Embedding ${file}"
    COMMAND ${CMAKE_COMMAND} -DIN=${in} -DOUT=${out} -P ${LOCKGATE_EMBED})
  target_sources(${target} PRIVATE ${out})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
