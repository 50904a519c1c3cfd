#include "experiments/store/schema_version_5.hpp"

namespace razorscope {

// A cell is one command with one policy: what is there once or not at all. It belongs to every sweep that
// asks for the same, and knows the runs that came of it. Rows of `sweep_runners` go when their program ends
// as it should.
const char* const schema_version_5 = R"sql(
CREATE TABLE sweeps (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  toml TEXT NOT NULL,  -- the file as it was last run
  updated_utc TEXT NOT NULL
) STRICT;

-- Programs that work on cells.
CREATE TABLE sweep_runners (
  id INTEGER PRIMARY KEY,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  process_start TEXT NOT NULL,  -- tells processes of one number apart
  started_utc TEXT NOT NULL,
  heartbeat_utc TEXT NOT NULL,
  UNIQUE (host, pid, process_start)
) STRICT;

CREATE TABLE sweep_cells (
  id INTEGER PRIMARY KEY,
  config_hash TEXT NOT NULL UNIQUE,  -- of command, settings with the content of files, policy
  command TEXT NOT NULL,             -- of the command line: 'replay', 'task needle', ...
  settings_json TEXT NOT NULL,
  policy TEXT,                       -- canonical name, as it is asked for; NULL: the command has none
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done', 'failed')),
  attempts INTEGER NOT NULL DEFAULT 0,
  estimated_seconds REAL,            -- its share of the process that makes it
  command_line TEXT,                 -- of the latest attempt, as are the columns that follow
  started_utc TEXT,
  finished_utc TEXT,
  wall_seconds REAL,                 -- its share of the process that made it
  exit_code INTEGER,
  message TEXT,                      -- why it failed
  runner_id INTEGER REFERENCES sweep_runners ON DELETE SET NULL
) STRICT;
CREATE INDEX sweep_cells_of_runner ON sweep_cells (runner_id);

CREATE TABLE sweep_members (
  sweep_id INTEGER NOT NULL REFERENCES sweeps ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,  -- from 0, in the order of the file
  cell_id INTEGER NOT NULL REFERENCES sweep_cells ON DELETE CASCADE,
  PRIMARY KEY (sweep_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX sweep_members_of_cell ON sweep_members (cell_id);

-- What came of a cell, by the table that it stands in.
CREATE TABLE sweep_cell_runs (
  cell_id INTEGER NOT NULL REFERENCES sweep_cells ON DELETE CASCADE,
  run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
  PRIMARY KEY (cell_id, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sweep_cell_runs_of_run ON sweep_cell_runs (run_id);
CREATE TABLE sweep_cell_deployment_runs (
  cell_id INTEGER NOT NULL REFERENCES sweep_cells ON DELETE CASCADE,
  run_id INTEGER NOT NULL REFERENCES deployment_runs ON DELETE CASCADE,
  PRIMARY KEY (cell_id, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sweep_cell_deployment_runs_of_run ON sweep_cell_deployment_runs (run_id);
CREATE TABLE sweep_cell_probes (
  cell_id INTEGER NOT NULL REFERENCES sweep_cells ON DELETE CASCADE,
  probe_id INTEGER NOT NULL REFERENCES probes ON DELETE CASCADE,
  PRIMARY KEY (cell_id, probe_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sweep_cell_probes_of_probe ON sweep_cell_probes (probe_id);

-- One row per sweep: how far it is.
CREATE VIEW sweep_progress AS
SELECT
  sweeps.name AS sweep, count(*) AS cells,
  sum(cells.state = 'done') AS done, sum(cells.state = 'failed') AS failed,
  sum(cells.state = 'running') AS running, sum(cells.state = 'pending') AS pending,
  sum(cells.wall_seconds) AS spent_seconds,
  sum(CASE WHEN cells.state IN ('pending', 'running') THEN cells.estimated_seconds END) AS left_seconds,
  min(cells.started_utc) AS started_utc, max(cells.finished_utc) AS finished_utc
FROM sweeps
JOIN sweep_members AS members ON members.sweep_id = sweeps.id
JOIN sweep_cells AS cells ON cells.id = members.cell_id
GROUP BY sweeps.id;

-- One row per cell of a sweep and run that came of it, to join with the other views by kind and run_id; a cell without
-- a run has NULL there.
CREATE VIEW sweep_runs AS
WITH outcomes AS (
  SELECT cell_id, run_id, 'run' AS id_of FROM sweep_cell_runs
  UNION ALL SELECT cell_id, run_id, 'deployment run' FROM sweep_cell_deployment_runs
  UNION ALL SELECT cell_id, probe_id, 'probe' FROM sweep_cell_probes
)
SELECT
  sweeps.name AS sweep, members.ordinal, cells.command, cells.settings_json, cells.policy, cells.state, cells.attempts,
  cells.message, cells.command_line, cells.wall_seconds, outcomes.id_of, outcomes.run_id
FROM sweeps
JOIN sweep_members AS members ON members.sweep_id = sweeps.id
JOIN sweep_cells AS cells ON cells.id = members.cell_id
LEFT JOIN outcomes ON outcomes.cell_id = cells.id;
)sql";

}  // namespace razorscope
