#include "gui/data/worker.hpp"

namespace razorscope::gui {

Worker::Worker(QObject* parent) : QObject(parent), there_(new QObject) {
  there_->moveToThread(&thread_);
  connect(&thread_, &QThread::finished, there_, &QObject::deleteLater);
  thread_.setObjectName(QStringLiteral("reader"));
  thread_.start();
}

Worker::~Worker() {
  stopping_ = true;
  thread_.quit();
  thread_.wait();
}

void Worker::begin() {
  if (pending_++ == 0) Q_EMIT busyChanged(true);
}

void Worker::end() {
  if (--pending_ == 0) Q_EMIT busyChanged(false);
}

void Worker::enqueue(std::function<void()> job) {
  QMetaObject::invokeMethod(there_, std::move(job), Qt::QueuedConnection);
}

void Worker::answer(std::function<void()> call) {
  QMetaObject::invokeMethod(this, std::move(call), Qt::QueuedConnection);
}

}  // namespace razorscope::gui
