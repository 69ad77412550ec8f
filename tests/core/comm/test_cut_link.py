#!/usr/bin/env python3
"""Two hosts, which are network namespaces of this machine, with two ranks each and MPI over TCP between them. The link is cut: the
ranks of both end, and the launcher's side names a rank of the other.

    test_cut_link.py MPIRUN PROGRAM

Needs root and the right to make network namespaces; skips itself where it has not."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from test_dying import SILENCE, SPARE, Run, alive, check

AGENT = """#!/bin/sh
# In place of ssh: HOST COMMAND...
while [ "$1" = -x ] || [ "$1" = -n ]; do shift; done
host=$1
shift
exec ip netns exec "NAME-${host##*.}" unshare --uts sh -c 'hostname "$0"; exec sh -c "$1"' "host-${host##*.}" "$*"
"""


class Hosts:
    """Namespaces NAME-1 (10.18.0.1, host-1) and NAME-2, joined by a switch in NAME-0."""

    def __init__(self):
        self.name = f"qcface-{os.getpid()}"
        self.made = []

    def __enter__(self):
        for number in range(3):
            self.ip(f"netns add {self.name}-{number}")
            self.made.append(number)
        self.ip(f"-n {self.name}-0 link add switch type bridge")
        self.ip(f"-n {self.name}-0 link set switch up")
        for number in (1, 2):
            self.ip(f"-n {self.name}-0 link add port{number} type veth peer name net0 netns {self.name}-{number}")
            self.ip(f"-n {self.name}-0 link set port{number} master switch up")
            self.ip(f"-n {self.name}-{number} addr add 10.18.0.{number}/24 dev net0")
            for link in ("net0", "lo"):
                self.ip(f"-n {self.name}-{number} link set {link} up")
        return self

    def __exit__(self, *_):
        for number in self.made:
            for pid in self.processes(number):
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
            self.ip(f"netns del {self.name}-{number}")

    def processes(self, number):
        done = subprocess.run(["ip", "netns", "pids", f"{self.name}-{number}"], capture_output=True, text=True)
        return [int(pid) for pid in done.stdout.split() if alive(int(pid))]

    @staticmethod
    def ip(arguments):
        subprocess.run(["ip", *arguments.split()], check=True, capture_output=True, text=True)

    def cut(self, how):
        if how == "silent":  # packets vanish, as behind a switch that died
            self.ip(f"-n {self.name}-0 link set port2 nomaster")
        else:                # the cable is out: both sides' cards say so
            self.ip(f"-n {self.name}-0 link set port1 down")
            self.ip(f"-n {self.name}-0 link set port2 down")


def settings(hosts, folder):
    """Environment for either MPI: hosts, how to start processes there, TCP between them."""
    agent = folder / "agent"
    agent.write_text(AGENT.replace("NAME", hosts.name))
    agent.chmod(0o755)
    (folder / "openmpi").write_text("10.18.0.1 slots=2\n10.18.0.2 slots=2\n")
    (folder / "hydra").write_text("10.18.0.1:2\n10.18.0.2:2\n")
    return {
        "OMPI_MCA_orte_default_hostfile": str(folder / "openmpi"), "OMPI_MCA_plm_rsh_agent": str(agent),
        "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "tcp,self,vader", "OMPI_MCA_btl_tcp_if_include": "net0",
        "OMPI_MCA_oob_tcp_if_include": "net0",
        # mpirun itself asks only after 300 s whether its daemons on other hosts are there, and gives up after 180 more.
        "OMPI_MCA_oob_tcp_keepalive_time": "3", "OMPI_MCA_oob_tcp_keepalive_intvl": "1",
        "OMPI_MCA_oob_tcp_keepalive_probes": "3",
        "HYDRA_HOST_FILE": str(folder / "hydra"), "HYDRA_LAUNCHER": "ssh", "HYDRA_LAUNCHER_EXEC": str(agent),
        "HYDRA_IFACE": "net0", "UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "net0",
    }


def main():
    mpirun, program = sys.argv[1:]
    fine = True
    for how in ("silent", "seen"):
        try:
            with Hosts() as hosts, tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                os.environ.update(settings(hosts, folder))
                run = Run(mpirun, program, 4, "none", 0, prefix=[
                    "ip", "netns", "exec", f"{hosts.name}-1", "unshare", "--uts", "sh", "-c", 'hostname host-1; exec "$@"', "sh"])
                time.sleep(1)
                hosts.cut(how)
                # Where it has something to send at that moment, Open MPI's mpirun waits for the system's TCP to give up
                # (net.ipv4.tcp_retries2), long after its ranks.
                fine &= check(f"link cut ({how})", run, SILENCE + SPARE,
                              [r"error: rank 3 \(host host-2\) has given no sign of life"], launcher_may_stay=True)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            print(f"[qcface-skip] no network namespaces here: {error}; {getattr(error, 'stderr', '')}")
            return 0
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
