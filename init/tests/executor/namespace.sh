# Runs the test $2 of the program $1 as PID 1 of new namespaces, with a cgroup tree of its own, without $3.
#
# The test's folder is a tmpfs of this mount namespace: it is gone with it, and nothing is ever deleted by name.
# A test may mount what it likes below it; nothing here walks through a mount.
set -e
export PROGRAM="$1" TEST="$2" WITHOUT="$3" TEST_FOLDER=/srv
exec unshare --mount --propagation private sh -c '
    set -e
    mount -t tmpfs -o mode=755 test "$TEST_FOLDER"
    mount -t tmpfs -o mode=755 test /run
    mkdir "$TEST_FOLDER/cgroup" "$TEST_FOLDER/all"
    mount -t cgroup2 none "$TEST_FOLDER/all"
    own="$TEST_FOLDER/all/onset-test-$$"
    mkdir "$own"
    echo 0 > "$own/cgroup.procs"
    status=0
    unshare --pid --cgroup --fork --kill-child sh -c "
        mount -t proc proc /proc
        mount -t cgroup2 none \"\$TEST_FOLDER/cgroup\"
        ulimit -Sn 512
        exec \"\$PROGRAM\" \"\$TEST\" \"\$WITHOUT\"
    " || status=$?
    echo 0 > "$TEST_FOLDER/all/cgroup.procs"
    # Only empty groups can be removed at all.
    find "$own" -xdev -depth -type d -exec rmdir {} + || true
    exit $status
'
