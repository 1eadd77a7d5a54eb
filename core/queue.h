// A first-in, first-out list which is threaded through its elements: pushing and popping never allocate.
#pragma once

#include <cassert>
#include <cstddef>

namespace portshare {

/// T has a member `T* next` that belongs to the queue while the element is in it; an element is in one queue
/// at a time. The queue owns nothing: elements must outlive their stay.
template <typename T>
class Queue {
 public:
  Queue() = default;
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  [[nodiscard]] bool empty() const { return head_ == nullptr; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] T* front() const { return head_; }

  void push(T& element) {
    assert(element.next == nullptr && tail_ != &element);
    (tail_ ? tail_->next : head_) = &element;
    tail_ = &element;
    ++size_;
  }

  /// Null if there is none.
  T* pop() {
    T* element = head_;
    if (!element) return nullptr;
    head_ = element->next;
    if (!head_) tail_ = nullptr;
    element->next = nullptr;
    --size_;
    return element;
  }

  /// Takes one element out of the middle; linear. False if it is not in this queue.
  bool remove(T& element) {
    T* previous = nullptr;
    for (T* current = head_; current; previous = current, current = current->next) {
      if (current != &element) continue;
      (previous ? previous->next : head_) = current->next;
      if (tail_ == current) tail_ = previous;
      current->next = nullptr;
      --size_;
      return true;
    }
    return false;
  }

  /// Moves all elements of `other` behind those of this one.
  void append(Queue& other) {
    if (other.empty()) return;
    (tail_ ? tail_->next : head_) = other.head_;
    tail_ = other.tail_;
    size_ += other.size_;
    other.head_ = other.tail_ = nullptr;
    other.size_ = 0;
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace portshare
