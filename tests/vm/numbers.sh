# shellcheck shell=bash
# The same tests with smaller numbers, where the number is not the point: an emulated CPU is some ten times slower, and
# what a workload does is compared with its own count, whatever that is. For init, and for the running kernel's own turn.
export ROUNDS=8 PAIRS=500 MESSAGES=200 CALLS=5 FUNCTIONS=40 ALLOCATIONS=12000
export KILLS=10 STALL=2 RING=1M SITES=3000 CHILDREN=40 THREADS=24 JUMPS=60
