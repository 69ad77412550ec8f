"""What the compare.py scripts share: running a program that prints JSON, and naming the machine."""
import json
import platform
import subprocess
import sys


def run_json(command, environment=None):
    """Runs the command and returns every line of its output that is a JSON object."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    if done.returncode != 0:
        sys.exit("%s failed:\n%s" % (" ".join(command), done.stderr))
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def processor():
    try:
        with open("/proc/cpuinfo") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()
