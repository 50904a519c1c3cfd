#pragma once

#include <cstdint>
#include <filesystem>

namespace razorscope {

class Connection;

/// Rows of all tables.
struct MergeCounts {
  int64_t added = 0;  // more than there were
  int64_t replaced =
      0;             // that were there, and are now as in the other file; those that belong to them go along
  int64_t kept = 0;  // that were there and know more than the other file's

  MergeCounts& operator+=(const MergeCounts& other);
};

/// Everything of one results database into another, in one transaction: after an error `into` is as it was.
///
/// Rows are the same where a unique key says so, whatever their ids. The other file's row then replaces the
/// one that is there, as storing the same result again would, and so do the rows that belong to it: merging
/// twice, or files in another order, makes the same rows. Two things are never unlearnt: a value that only
/// one of both knows (a model's context, the bytes of full+f16), and how far a row has come: one whose
/// `state` is done, failed, running or pending gives way only to one that is at least as far, in that order.
///
/// Nothing here knows a table by name. What a table needs: a unique key, or rows that never change; no
/// reference to itself. `from` may be in use by other processes, and is read as of one moment; an older
/// schema is brought up to date in it. InputError where `from` is missing, is `into` itself or is no results
/// database; std::runtime_error where it is damaged.
MergeCounts merge_database(Connection& into, const std::filesystem::path& from);
/// The same, into a file that is made where it is missing.
MergeCounts merge_database(const std::filesystem::path& into, const std::filesystem::path& from);

}  // namespace razorscope
