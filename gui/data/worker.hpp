#pragma once

#include <QObject>
#include <QPointer>
#include <QThread>
#include <atomic>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "experiments/store/store.hpp"

namespace razorscope::gui {

/// Does work on a thread of its own, in the order in which it is asked, and brings what came of it back to
/// the thread that asked: the one that draws never waits.
///
///   worker.run(this, [=] { return Store::open_read_only(path).head_errors(run); },
///              [this](const std::vector<HeadErrors>& heads) { show(heads); },
///              [this](const QString& why) { show(why); });
///
/// Contract. Calls come from the thread that it lives in. A task must not touch widgets. Nothing is called
/// back once `context` is gone. Ends only when the task at hand does; those in the queue are left out.
class Worker : public QObject {
  Q_OBJECT

 public:
  explicit Worker(QObject* parent = nullptr);
  ~Worker() override;

  template <typename Task, typename Done>
  void run(QObject* context, Task task, Done done, std::function<void(const QString&)> failed = {}) {
    using Result = std::decay_t<std::invoke_result_t<Task>>;
    begin();
    enqueue([this, guard = QPointer<QObject>(context), task = std::move(task), done = std::move(done),
             failed = std::move(failed)]() mutable {
      std::shared_ptr<Result> result;
      QString problem;
      try {
        if (!stopping_) result = std::make_shared<Result>(task());
      } catch (const std::exception& error) {
        problem = QString::fromUtf8(error.what());
      }
      answer([this, guard, result, problem, done = std::move(done), failed = std::move(failed)] {
        end();
        if (guard.isNull()) return;
        if (result) {
          done(*result);
        } else if (failed) {
          failed(problem);
        }
      });
    });
  }

  /// The same with a database that is opened for it.
  template <typename Task, typename Done>
  void read(const std::filesystem::path& path, QObject* context, Task task, Done done,
            std::function<void(const QString&)> failed = {}) {
    run(
        context,
        [path, task = std::move(task)] {
          Store store = Store::open_read_only(path);
          return task(store);
        },
        std::move(done), std::move(failed));
  }

  bool isBusy() const { return pending_ > 0; }

 Q_SIGNALS:
  /// Began to work, or has nothing left to do.
  void busyChanged(bool busy);

 private:
  void begin();
  void end();
  void enqueue(std::function<void()> job);
  void answer(std::function<void()> call);

  QThread thread_;
  QObject* there_;  // lives in the thread, and goes with it
  std::atomic<bool> stopping_ = false;
  int pending_ = 0;
};

}  // namespace razorscope::gui
