#include "experiments/store/connection.hpp"
#include "experiments/store/row_reader.hpp"
#include "experiments/store/store.hpp"

namespace razorscope {

std::vector<ClosedLoopRow> Store::closed_loop() {
  return connection_->guarded([&] {
    SQLite::Statement statement(
        connection_->database(),
        "SELECT run_id, model, model_sha256, text, prefix_tokens, steps, comparison, equal_bytes_target, "
        "equal_bytes_share, requested_policy, policy, full_f16_bytes, text_ids, texts, scored_rows, units, "
        "unit, nll_nats, nll_low_nats, nll_high_nats, full_nll_nats, full_nll_low_nats, full_nll_high_nats, "
        "nll_difference_nats, nll_difference_low_nats, nll_difference_high_nats, kl_to_full_nats, "
        "kl_to_full_low_nats, kl_to_full_high_nats, top1_agreement, nominal_bytes, logical_bytes, "
        "physical_bytes, end_physical_bytes, bytes_read_per_step, token_by_token FROM closed_loop "
        "ORDER BY model, model_sha256, text, text_ids, prefix_tokens, steps, comparison DESC, "
        "equal_bytes_target, run_id");
    std::vector<ClosedLoopRow> rows;
    while (statement.executeStep()) {
      ClosedLoopRow row;
      RowReader reader(statement);
      read_run(reader, row);
      reader >> row.text_ids >> row.texts >> row.scored_rows >> row.units >> row.unit >> row.nll >>
          row.full_nll >> row.nll_difference >> row.kl_to_full >> row.top1_agreement >> row.nominal_bytes >>
          row.logical_bytes >> row.physical_bytes >> row.end_physical_bytes >> row.bytes_read_per_step >>
          row.token_by_token;
      rows.push_back(std::move(row));
    }
    return rows;
  });
}

std::vector<TaskRow> Store::tasks() {
  return connection_->guarded([&] {
    SQLite::Statement statement(
        connection_->database(),
        "SELECT run_id, model, model_sha256, text, prefix_tokens, steps, comparison, equal_bytes_target, "
        "equal_bytes_share, requested_policy, policy, full_f16_bytes, text_ids, task, query_aware, "
        "settings_json, n, correct, accuracy, low, high, full_accuracy, model_can, nominal_bytes, "
        "logical_bytes, physical_bytes FROM tasks "
        "ORDER BY model, model_sha256, task, query_aware, text, text_ids, prefix_tokens, settings_json, "
        "comparison DESC, equal_bytes_share, equal_bytes_target, run_id");
    std::vector<TaskRow> rows;
    while (statement.executeStep()) {
      TaskRow row;
      RowReader reader(statement);
      read_run(reader, row);
      reader >> row.text_ids >> row.task >> row.query_aware >> row.settings_json >> row.n >> row.correct >>
          row.accuracy >> row.interval >> row.full_accuracy >> row.model_can >> row.nominal_bytes >>
          row.logical_bytes >> row.physical_bytes;
      rows.push_back(std::move(row));
    }
    return rows;
  });
}

std::vector<TaskAnswer> Store::task_answers(int64_t run_id) {
  return connection_->guarded([&] {
    SQLite::Statement statement(connection_->database(),
                                "SELECT length_tokens, depth, correct, nll_nats FROM task_answers "
                                "WHERE run_id = ? ORDER BY ordinal");
    bind_all(statement, run_id);
    std::vector<TaskAnswer> answers;
    while (statement.executeStep()) {
      TaskAnswer answer;
      RowReader(statement) >> answer.length >> answer.depth >> answer.correct >> answer.nll;
      answers.push_back(answer);
    }
    return answers;
  });
}

std::vector<LadderRow> Store::ladder() {
  return connection_->guarded([&] {
    SQLite::Statement statement(
        connection_->database(),
        "SELECT eval_run_id, replay_run_id, replays, model, model_sha256, text, text_ids, prefix_tokens, "
        "replay_steps, eval_steps, scored_rows, requested_policy, equal_bytes_share, policy, "
        "lost_mass_mean, kl_mean_nats, relative_error_mean, output_error_mean, kl_to_full_nats, "
        "nll_difference_nats, needle_accuracy, needle_n, multi_query_accuracy, multi_query_n FROM ladder "
        "ORDER BY model, model_sha256, prefix_tokens, text, text_ids, replay_steps, eval_steps, "
        "equal_bytes_share, eval_run_id");
    std::vector<LadderRow> rows;
    while (statement.executeStep()) {
      LadderRow row;
      RowReader(statement) >> row.eval_run_id >> row.replay_run_id >> row.replays >> row.model >>
          row.model_sha256 >> row.text >> row.text_ids >> row.prefix >> row.replay_steps >> row.eval_steps >>
          row.scored_rows >> row.requested_policy >> row.equal_bytes_share >> row.policy >>
          row.lost_mass_mean >> row.kl_mean >> row.relative_error_mean >> row.output_error_mean >>
          row.kl_to_full >> row.nll_difference >> row.needle_accuracy >> row.needle_n >>
          row.multi_query_accuracy >> row.multi_query_n;
      rows.push_back(std::move(row));
    }
    return rows;
  });
}

}  // namespace razorscope
