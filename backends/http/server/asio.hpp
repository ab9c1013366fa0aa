// SPDX-License-Identifier: Apache-2.0
// The one way to Boost.Asio: Boost 1.74's needs <utility> before it, and with clang 14 the word that the compiler has
// C++20's coroutines. To be included before anything else of Asio or Beast.
#pragma once

// clang-format off
#if defined(__clang__) && __clang_major__ < 17 && !defined(__cpp_impl_coroutine)
#define __cpp_impl_coroutine 201902L
#endif
#if defined(__clang__) && !defined(BOOST_ASIO_HAS_CO_AWAIT)
#define BOOST_ASIO_HAS_CO_AWAIT 1  // Boost 1.74 looks for libc++'s coroutines alone
#endif
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
// clang-format on

#if defined(__GNUC__) && !defined(__clang__)
// Where Asio's allocation of a coroutine's frame is inlined, g++ 12 takes its release for that of something else.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace lockgate::server {
namespace asio = boost::asio;
}
