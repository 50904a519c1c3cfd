#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace razorscope {

/// A fact that a text can hide, and the question that finds it again.
struct Fact {
  std::string statement;  // a line of its own
  std::string question;   // ends where the answer begins
  std::string answer;     // begins with its space
};

/// The most facts that can be told apart.
int most_facts();

/// `count` facts of one form about different things, each with a number of five digits: "The secret number of
/// the blue lighthouse is 48213." The same seed gives the same facts everywhere. InputError above
/// most_facts().
std::vector<Fact> make_facts(int count, uint64_t seed);

}  // namespace razorscope
