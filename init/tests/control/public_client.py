"""Lists, starts and watches jobs with a public Varlink client: the package `varlink` from PyPI."""

import sys

import varlink

ADDRESS = "unix:" + sys.argv[1]


def main():
    with varlink.Client.new_with_address(ADDRESS) as client:
        assert "org.onset.Manager" in client.get_interfaces()
        with client.open("org.onset.Manager") as onset:
            names = [job["job"] for job in onset.List()["jobs"]]
            assert names == ["db", "shop"], names
            with varlink.Client.new_with_address(ADDRESS) as other, other.open("org.onset.Manager") as watcher:
                happened = watcher.Events(_more=True)
                assert next(happened)["what"] == "watching"
                started = onset.Start(job="db")
                assert started["status"]["up"], started
                told = [next(happened) for _ in range(2)]
                assert [event["name"] for event in told] == ["starting", "started"], told
            try:
                onset.Start(job="nope")
                raise AssertionError("a job that is not there was started")
            except varlink.VarlinkError as error:
                assert error.error() == "org.onset.Manager.UnknownJob", error
                assert error.parameters()["job"] == "nope"
            # As many parts as there are, put together by the client's own reading.
            parts = list(onset.List(_more=True))
            assert [job["job"] for part in parts for job in part["jobs"]] == ["db", "shop"]
            status = onset.Stop(job="db")["status"]
            assert status["state"] == "waiting", status
    print("varlink: listed, started, watched, refused and stopped")


main()
