#include "experiments/store/device_id.hpp"
#include "experiments/store/row_writer.hpp"
#include "experiments/store/run_writer.hpp"
#include "experiments/store/store.hpp"

// Writes and reads what a replay's caches did on a simulated device.

namespace razorscope {
namespace {

constexpr const char* columns =
    "run_id, device_id, shape, weights, sequences, prompt_tokens, capacity_bytes, weights_bytes, "
    "non_kv_bytes, "
    "peak_kv_bytes, end_kv_bytes, overflow_tokens, prefill_ms, compression_ms, decode_mean_ms, total_ms, "
    "calibration";

int64_t insert_device_replay(SQLite::Database& database, int64_t run, const Deployment& deployment,
                             const DeviceReplayResult& result) {
  RowWriter row(database, "device_replays", columns);
  row << run << device_id(database, deployment.device) << result.shape << weight_type_name(deployment.weights)
      << result.sequences << result.prompt << result.capacity_bytes << result.weights_bytes
      << result.non_kv_bytes << result.peak_kv_bytes << result.end_kv_bytes
      << (result.overflow ? std::optional<int64_t>(result.overflow->token) : std::nullopt)
      << result.prefill_seconds * 1e3 << result.compression_seconds * 1e3 << result.decode_mean() * 1e3
      << result.seconds * 1e3 << std::string(to_string(result.calibration));
  row.write();
  return database.getLastInsertRowid();
}

}  // namespace

int64_t Store::add_device_replay(int64_t run_id, const Deployment& deployment,
                                 const DeviceReplayResult& result) {
  SQLite::Database& database = writable().database();
  return connection_->transact([&] {
    const int64_t id = insert_device_replay(database, run_id, deployment, result);
    RowWriter row(database, "device_replay_occupancy", "device_replay_id, ordinal, ms, kv_bytes");
    int ordinal = 0;
    for (const OccupancyPoint& point : result.occupancy) {
      row << id << ordinal++ << point.seconds * 1e3 << point.kv_bytes;
      row.write();
    }
    return id;
  });
}

std::vector<OccupancyPoint> Store::device_replay_occupancy(int64_t device_replay_id) {
  return connection_->guarded([&] {
    SQLite::Statement query(connection_->database(),
                            "SELECT ms, kv_bytes FROM device_replay_occupancy WHERE device_replay_id = ? "
                            "ORDER BY ordinal");
    bind_all(query, device_replay_id);
    std::vector<OccupancyPoint> points;
    while (query.executeStep())
      points.push_back({query.getColumn(0).getDouble() / 1e3, query.getColumn(1).getDouble()});
    return points;
  });
}

}  // namespace razorscope
