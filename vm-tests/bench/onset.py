"""Onset as a plug-in of a bench that boots init systems side by side (a `System` with `setup`, `service`, `finish`).

`ONSET_PROGRAMS` names the folder of the static programs (`make programs`). Variants: `onset:nocgroup` and `onset:noclone3`
run the fallbacks.
"""
import os
from pathlib import Path
from benchlib import System

HERE = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("ONSET_PROGRAMS", HERE / "target" / "x86_64-unknown-linux-gnu" / "release"))
WITHOUT = {"nocgroup": "cgroup2", "noclone3": "clone3", "nopidfd": "pidfd"}


class Plugin(System):
    init_argv = ["/sbin/onset"]
    shutdown_argv = ["/sbin/onsetctl", "reboot"]

    def __init__(self, variant=""):
        self.kernel_args = f"onset.without={WITHOUT[variant]}" if variant else ""

    def available(self):
        missing = [name for name in ("onset", "onsetctl") if not (PROGRAMS / name).is_file()]
        return f"{PROGRAMS} lacks {', '.join(missing)}: run `make programs`" if missing else None

    def setup(self, root):
        root.binary(PROGRAMS / "onset", "/sbin/onset")
        root.binary(PROGRAMS / "onsetctl", "/sbin/onsetctl")
        root.busybox("sh")

    def service(self, root, svc):
        fields = [] if svc.kind == "daemon" else ["task: true"]
        if svc.event:
            fields.append(f'start_on: "{svc.event}"')
        elif svc.after:
            # A service before it is up, or a task before it has ended well.
            ends = "started" if svc.kind == "daemon" else "stopped"
            fields.append(f'start_on: "{ends} {svc.after}{"" if svc.kind == "daemon" else " RESULT=ok"}"')
        else:
            fields.append('start_on: "startup"')
        fields.append('exec: "%s"' % " ".join(svc.argv))
        root.write(f"/etc/onset/jobs/{svc.name}.ron", "(%s)\n" % ", ".join(fields))

    def trigger_argv(self, svc):
        return ["/sbin/onsetctl", "start", svc.name]

    def bulk(self, svcs):
        return [
            ("tool-start", "obs loop tool-start 200 -- /sbin/onsetctl start ping"),
            ("tool-emit", "obs loop tool-emit 200 -- /sbin/onsetctl emit nothing"),
            ("tool-list", "obs loop tool-list 20 -- /sbin/onsetctl list"),
        ]
