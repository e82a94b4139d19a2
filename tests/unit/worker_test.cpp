// The public header comes first: in the header-only form it brings the bodies in, and in the right order.
#include <dingcb/encryptor.hpp>

#include <dingcb/impl/worker.ipp>

#include "support/catch.hpp"

#include <cstddef>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace {

using dingcb::detail::Algorithms;
using dingcb::detail::Worker;
using dingcb::detail::WorkerPool;

}  // namespace

TEST_CASE("WorkerPool is empty at first") {
  WorkerPool pool;
  CHECK(pool.take() == nullptr);
}

TEST_CASE("WorkerPool lends a worker to one call at a time, and the same one to the next") {
  const Algorithms algorithms;
  WorkerPool pool;
  auto worker = Worker::make(algorithms);
  const Worker* const address = worker.get();
  pool.put(std::move(worker));
  auto taken = pool.take();
  CHECK(taken.get() == address);
  CHECK(pool.take() == nullptr);
  pool.put(std::move(taken));
  CHECK(pool.take().get() == address);
}

TEST_CASE("WorkerPool keeps several idle workers, none twice, and not without bound") {
  const Algorithms algorithms;
  WorkerPool pool;
  for (int i = 0; i < 200; ++i) pool.put(Worker::make(algorithms));
  std::vector<std::unique_ptr<Worker>> taken;
  while (auto worker = pool.take()) taken.push_back(std::move(worker));
  CHECK(taken.size() >= 2);
  CHECK(taken.size() <= 64);
  CHECK(std::set<std::unique_ptr<Worker>>(std::make_move_iterator(taken.begin()), std::make_move_iterator(taken.end()))
            .size() == taken.size());
}

TEST_CASE("WorkerPool::clear drops the idle workers of all threads") {
  const Algorithms algorithms;
  WorkerPool pool;
  std::vector<std::thread> threads;
  for (int i = 0; i < 10; ++i) {
    threads.emplace_back([&] { pool.put(Worker::make(algorithms)); });
  }
  for (std::thread& thread : threads) thread.join();
  pool.clear();
  std::size_t found = 0;
  for (int i = 0; i < 70; ++i) {
    std::thread([&] {
      if (pool.take() != nullptr) ++found;
    }).join();
  }
  CHECK(found == 0);
}
