#include "policies/kernels/attend.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "models/base/parallel.hpp"
#include "policies/kernels/hadamard.hpp"
#include "policies/kernels/kernel_table.hpp"

namespace razorscope {
namespace {

/// Slots of a piece at most, unless a longer one would be left with a few: what a thread works on at a time.
/// A multiple of a kernel's block and of KIVI's groups.
constexpr int piece_slots = 4096;
constexpr int piece_granule = 64;
constexpr int kivi_group = 32;

bool in_groups(RowFormat format) {
  return format == RowFormat::kivi4_keys || format == RowFormat::kivi2_keys;
}

/// The segment that holds a slot, and the slot's place in it.
struct Place {
  int segment = 0;
  int row = 0;
};
Place place_of(const RowSegments& rows, int slot) {
  Place place{0, slot};
  while (place.row >= rows[place.segment].rows) place.row -= rows[place.segment++].rows;
  return place;
}

/// Some rows of a segment.
RowSegment part(const RowSegment& segment, int first, int rows) {
  RowSegment result = segment;
  const int step = in_groups(segment.format) ? first / kivi_group : first;
  result.data += static_cast<size_t>(step) * segment.stride;
  result.rows = rows;
  return result;
}

/// Equal cuts of `rows`, none longer than piece_slots by much; at least two where a half is worth a thread.
int cut_length(int rows) {
  const int pieces = rows < piece_slots / 2 ? 1 : std::max(2, (rows + piece_slots / 2) / piece_slots);
  const int length = (rows + pieces - 1) / pieces;
  return (length + piece_granule - 1) / piece_granule * piece_granule;
}

AttentionPiece compensation_piece(const HeadView& head) {
  const auto segment = [&](const float* rows) {
    return RowSegment{RowFormat::f32, reinterpret_cast<const std::byte*>(rows),
                      static_cast<size_t>(head.head_size) * sizeof(float), head.compensation_slots};
  };
  AttentionPiece piece;
  piece.head_size = head.head_size;
  piece.slots = head.compensation_slots;
  piece.keys = segment(head.compensation_keys);
  piece.values = segment(head.compensation_values);
  piece.bias = head.compensation_bias;
  return piece;
}

/// A head's pieces in slot order, compensation slots last; cut where a segment of keys or of values ends, and
/// within long ones.
std::vector<AttentionPiece> pieces_of(const HeadView& head) {
  std::vector<AttentionPiece> pieces;
  for (int slot = 0; slot < head.slots;) {
    const Place key = place_of(head.keys, slot);
    const Place value = place_of(head.values, slot);
    const RowSegment& keys = head.keys[key.segment];
    const RowSegment& values = head.values[value.segment];
    const int common = std::min(keys.rows - key.row, values.rows - value.row);
    const int length = cut_length(common);
    for (int begin = 0; begin < common; begin += length) {
      const int rows = std::min(length, common - begin);
      AttentionPiece& piece = pieces.emplace_back();
      piece.head_size = head.head_size;
      piece.slots = rows;
      piece.keys = part(keys, key.row + begin, rows);
      piece.first_in_group = in_groups(keys.format) ? (key.row + begin) % kivi_group : 0;
      piece.values = part(values, value.row + begin, rows);
      piece.first_position = slot + begin;
      if (head.positions != nullptr) piece.positions = head.positions + slot + begin;
    }
    slot += common;
  }
  if (head.compensation_slots > 0) pieces.push_back(compensation_piece(head));
  return pieces;
}

/// One head's attention in pieces that may run in any order, on any thread.
class PiecewiseAttention {
 public:
  PiecewiseAttention(const KernelTable& kernels, const AttentionJob& job)
      : kernels_(kernels),
        job_(job),
        pieces_(pieces_of(job.head)),
        group_(static_cast<size_t>(job.query.group)),
        width_(static_cast<size_t>(job.head.head_size)) {
    const size_t partial = group_ * (width_ + 2);
    if (pieces_.size() > 1) partials_.resize(pieces_.size() * partial);
  }

  int pieces() const { return static_cast<int>(pieces_.size()); }

  void run(int index) {
    const AttentionPiece& piece = pieces_[static_cast<size_t>(index)];
    const AttentionJob& job = job_;
    PieceOutput output = partial(index);
    if (job.output.scores != nullptr) {
      output.score_stride = static_cast<size_t>(job.head.entries());
      output.scores = job.output.scores + (piece.bias != nullptr ? job.head.slots : piece.first_position);
    }
    GroupQuery query = job.query;
    std::vector<float> rotated;
    if (piece.keys.rotated) {
      rotated.assign(query.q, query.q + group_ * width_);
      for (size_t g = 0; g < group_; ++g) hadamard(rotated.data() + g * width_, job.head.head_size);
      query.q = rotated.data();
    }
    kernels_.attend_piece(piece, query, output);
    if (piece.values.rotated) {
      for (size_t g = 0; g < group_; ++g) hadamard(output.out + g * width_, job.head.head_size);
    }
  }

  void finish() {
    for (size_t g = 0; g < group_; ++g) finish(g);
  }

 private:
  /// Where a piece leaves its share; a lone one leaves it in place.
  PieceOutput partial(int index) {
    PieceOutput output;
    if (pieces_.size() == 1) {
      lone_.resize(2 * group_);
      output.out = job_.output.out;
      output.largest = lone_.data();
    } else {
      output.out = partials_.data() + static_cast<size_t>(index) * group_ * (width_ + 2);
      output.largest = output.out + group_ * width_;
    }
    output.total = output.largest + group_;
    return output;
  }

  void finish(size_t g) {
    float* out = job_.output.out + g * width_;
    float largest = -std::numeric_limits<float>::infinity();
    for (int p = 0; p < pieces(); ++p) largest = std::max(largest, partial_largest(p, g));
    float total = 0.0F;
    if (pieces_.size() == 1) {
      total = lone_[group_ + g];
    } else {
      std::fill_n(out, width_, 0.0F);
      for (int p = 0; p < pieces(); ++p) {
        const PieceOutput share = partial(p);
        const float factor = share.total[g] == 0.0F ? 0.0F : std::exp(share.largest[g] - largest);
        total += share.total[g] * factor;
        const float* from = share.out + g * width_;
        for (size_t i = 0; i < width_; ++i) out[i] += factor * from[i];
      }
    }
    for (size_t i = 0; i < width_; ++i) out[i] /= total;
    if (job_.output.log_sum != nullptr) job_.output.log_sum[g] = largest + std::log(total);
  }
  float partial_largest(int piece, size_t g) {
    return pieces_.size() == 1 ? lone_[g] : partial(piece).largest[g];
  }

  const KernelTable& kernels_;
  const AttentionJob& job_;
  std::vector<AttentionPiece> pieces_;
  size_t group_;
  size_t width_;
  std::vector<float> partials_;  // of each piece: out [group, head_size], largest [group], total [group]
  std::vector<float> lone_;      // largest [group], total [group] of the only piece
};

}  // namespace

void attend_group(const KernelTable& kernels, const HeadView& head, const GroupQuery& query,
                  const GroupOutput& output) {
  const AttentionJob job{head, query, output};
  PiecewiseAttention attention(kernels, job);
  for (int piece = 0; piece < attention.pieces(); ++piece) attention.run(piece);
  attention.finish();
}

void attend_group(const HeadView& head, const GroupQuery& query, const GroupOutput& output) {
  attend_group(active_kernels(), head, query, output);
}

void attend_heads(std::span<const AttentionJob> jobs) {
  std::vector<PiecewiseAttention> heads;
  heads.reserve(jobs.size());
  struct Share {
    int head;
    int piece;
  };
  std::vector<Share> shares;
  for (const AttentionJob& job : jobs) {
    const PiecewiseAttention& attention = heads.emplace_back(active_kernels(), job);
    for (int piece = 0; piece < attention.pieces(); ++piece)
      shares.push_back({static_cast<int>(heads.size()) - 1, piece});
  }
  parallel_for(static_cast<int>(shares.size()), [&](int i) {
    const Share& share = shares[static_cast<size_t>(i)];
    heads[static_cast<size_t>(share.head)].run(share.piece);
  });
  for (PiecewiseAttention& attention : heads) attention.finish();
}

void softmax_row(float* row, size_t count, float slope) { active_kernels().softmax_row(row, count, slope); }

LogSumExp log_sum_exp(const float* row, size_t count) { return active_kernels().log_sum_exp(row, count); }

}  // namespace razorscope
