# SPDX-License-Identifier: Apache-2.0
# How everything is compiled: one target that each of ours links, PRIVATE.
add_library(lockgate_settings INTERFACE)
target_compile_features(lockgate_settings INTERFACE cxx_std_20)
target_compile_options(lockgate_settings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wformat=2 -Werror=format-security
  $<$<BOOL:${LOCKGATE_WERROR}>:-Werror>)
target_compile_definitions(lockgate_settings INTERFACE _GNU_SOURCE)
target_include_directories(lockgate_settings INTERFACE ${PROJECT_SOURCE_DIR})
target_link_libraries(lockgate_settings INTERFACE Threads::Threads lockgate_fmt)
if(LOCKGATE_SANITIZER)
  target_compile_options(lockgate_settings INTERFACE -fsanitize=${LOCKGATE_SANITIZER} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(lockgate_settings INTERFACE -fsanitize=${LOCKGATE_SANITIZER})
else()
  # _FORTIFY_SOURCE needs an optimised build.
  target_compile_options(lockgate_settings INTERFACE -fstack-protector-strong -fstack-clash-protection
                         $<$<NOT:$<CXX_COMPILER_ID:Clang>>:-fcf-protection=full>)
  target_compile_definitions(lockgate_settings INTERFACE
    _GLIBCXX_ASSERTIONS $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -ffunction-sections -fdata-sections")

# ccache where there is one.
find_program(LOCKGATE_CCACHE ccache)
if(LOCKGATE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${LOCKGATE_CCACHE})
endif()
