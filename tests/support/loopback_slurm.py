"""Slurm on this machine alone, for tests: started as root from an empty folder, gone without a trace.

    with LoopbackSlurm() as slurm:
        subprocess.run(["sbatch", ...], env=slurm.environment)

Nothing of a Slurm that is installed for real is touched: configuration, keys, sockets, state and logs lie in a folder
of their own, ports are whatever was free. The daemons and all jobs live in a process namespace, which the kernel ends
with everything in it when the test ends, however it does. Needs Debian's munge and slurm-wlm.
"""

import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo", "scancel", "unshare")
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
CPUS = 2

CONFIGURATION = """
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=2
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,default_queue_depth=1000
KillWait=2
CompleteWait=0
EpilogMsgTime=0
MinJobAge=300
ReturnToService=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=60 State=UP
"""


class Unavailable(Exception):
    """Slurm cannot run here, and why."""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def daemons(folder):
    """The daemons' commands, in the order in which they start."""
    return {
        "munged": ["munged", "--foreground", "--force", f"--key-file={folder}/munge.key", f"--socket={folder}/munge.socket",
                   f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munged.seed", "--num-threads=2"],
        "slurmctld": ["slurmctld", "-D", "-c", "-f", f"{folder}/slurm.conf"],
        "slurmd": ["slurmd", "-D", "-c", "-f", f"{folder}/slurm.conf"],
    }


def run_inside(folder):
    """The first process of the namespace: starts the daemons, and ends with the first of them that ends."""
    # A job must not inherit what sbatch takes for its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    environment["SLURM_CONF"] = f"{folder}/slurm.conf"
    started = {}
    for name, command in daemons(folder).items():
        with open(f"{folder}/{name}.log", "w") as log:
            started[subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                                     cwd=folder, start_new_session=True).pid] = name
        deadline = time.monotonic() + 10
        while name == "munged" and not os.path.exists(f"{folder}/munge.socket") and time.monotonic() < deadline:
            time.sleep(0.02)
    while True:
        ended, _ = os.wait()  # orphans of jobs, too
        if ended in started:
            return f"{started[ended]} ended"


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class LoopbackSlurm:
    """A context manager. `environment` is what Slurm's commands need; `folder` is gone afterwards."""

    def __enter__(self):
        self.process = None
        self.folder = None
        self.check()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    @staticmethod
    def check():
        if os.geteuid() != 0:
            raise Unavailable("the daemons have to be started as root")
        missing = [name for name in PROGRAMS if shutil.which(name, path=SYSTEM_PATH) is None]
        if missing:
            raise Unavailable(f"{', '.join(missing)} not installed (Debian: apt-get install munge slurm-wlm)")
        trial = subprocess.run(["unshare", "--pid", "--fork", "--mount", "--mount-proc", "true"], capture_output=True,
                               text=True, env={**os.environ, "PATH": SYSTEM_PATH})
        if trial.returncode != 0:
            raise Unavailable(f"no process namespaces in this container: {trial.stderr.strip()}")

    def start(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="loopback_slurm_"))
        self.folder.chmod(0o755)  # munged's socket lies in it
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        controller_port, node_port = free_ports(2)
        (self.folder / "slurm.conf").write_text(CONFIGURATION.format(
            host=socket.gethostname().split(".")[0], folder=self.folder, controller_port=controller_port,
            node_port=node_port, cpus=CPUS))
        self.environment = {**os.environ, "PATH": SYSTEM_PATH, "SLURM_CONF": str(self.folder / "slurm.conf")}
        with open(self.folder / "inside.log", "w") as log:
            self.process = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", sys.executable, __file__, self.folder],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, preexec_fn=die_with_parent)
        self.wait_until_idle()

    def wait_until_idle(self, patience=30):
        deadline = time.monotonic() + patience
        while True:
            state = self.ask("sinfo", "-h", "-o", "%T")
            if state == "idle":
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"no idle node (sinfo: {state!r})\n{self.logs()}")
            time.sleep(0.1)

    def ask(self, *command):
        """What a command prints on stdout, or on stderr where it fails."""
        result = subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=30)
        return (result.stdout if result.returncode == 0 else result.stderr).strip()

    def logs(self):
        """The end of each daemon's log."""
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in sorted(self.folder.glob("*.log")))

    def stop(self):
        if self.process is not None:
            self.process.kill()  # and the kernel ends all that is in the namespace
            self.process.wait()
            self.process = None
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run_inside(sys.argv[1]))
