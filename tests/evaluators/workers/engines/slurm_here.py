"""A real SLURM cluster of one node, this machine, in a temporary folder: Debian's slurm-wlm, munge.

As root. ``python slurm_here.py FOLDER`` starts it and prints the path for SLURM_CONF;
``python slurm_here.py FOLDER stop`` ends it.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

daemons: list["subprocess.Popen[bytes]"] = []  # that this process started
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
CONF = """\
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
KillWait=2
MinJobAge=300
InactiveLimit=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def missing() -> str | None:
    """Return why there can be no SLURM here, or None."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "SLURM is started as root only"
    lacks = [program for program in PROGRAMS if _where(program) is None]
    return f"{', '.join(lacks)} not installed: apt-get install slurm-wlm munge" if lacks else None


def _where(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def start(folder: Path) -> Path:
    """Start the daemons; return the configuration file when the node is idle."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    os.chmod(folder, 0o755)  # munge asks who may write there
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    _daemon(
        folder, "munged", "--force", "--foreground", f"--key-file={key}", "--num-threads=2",
        f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid",
        f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed",
    )  # fmt: skip
    host, ports = socket.gethostname().partition(".")[0], free_ports(2)
    conf = folder / "slurm.conf"
    conf.write_text(
        CONF.format(
            folder=folder, host=host, controller=ports[0], node=ports[1], cpus=os.cpu_count() or 1
        )
    )
    os.environ["SLURM_CONF"] = str(conf)
    _wait(lambda: (folder / "munge.socket").exists(), folder)
    _daemon(folder, "slurmctld", "-D", "-f", str(conf))
    _daemon(folder, "slurmd", "-D", "-f", str(conf), "-N", host)
    _wait(lambda: "idle" in _told("sinfo", "--noheader", "--format=%T"), folder)
    return conf


def stop(folder: Path) -> None:
    """End the jobs and the daemons."""
    with suppress(OSError):
        _told("scancel", "--signal=KILL", "--full", "--user=root")
    pids = [int(pid) for pid in (folder / "pids").read_text().split()]
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for pid in reversed(pids):
            with suppress(ProcessLookupError):
                os.kill(pid, sign)
        time.sleep(2)
    while daemons:
        daemons.pop().wait()


@contextmanager
def slurm_here(folder: Path) -> Iterator[Path]:
    """Start a cluster, and end it."""
    try:
        yield start(folder)
    finally:
        stop(folder)


def _daemon(folder: Path, program: str, *arguments: str) -> None:
    with (folder / f"{program}.out").open("wb") as out:
        process = subprocess.Popen(
            [str(_where(program)), *arguments],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    daemons.append(process)
    with (folder / "pids").open("a") as pids:
        pids.write(f"{process.pid}\n")


def _told(*question: str) -> str:
    return subprocess.run(question, capture_output=True, text=True, check=False).stdout


def _wait(ready: object, folder: Path, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not ready():  # type: ignore[operator]
        if time.monotonic() > end:
            said = "\n".join(
                f"{file.name}: {file.read_text(errors='replace')[-1500:]}"
                for file in sorted([*folder.glob("*.out"), *folder.glob("*.log")])
            )
            raise RuntimeError(f"SLURM does not start:\n{said}")
        time.sleep(0.5)


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens at now.

    They lie below those that the system gives to anybody, and above those that Ray gives its
    workers (10,002 to 19,999).
    """
    ports: list[int] = []
    while len(ports) < number:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            ports.append(port)
    return ports


if __name__ == "__main__":
    if sys.argv[2:] == ["stop"]:
        stop(Path(sys.argv[1]))
    else:
        print(start(Path(sys.argv[1])))
