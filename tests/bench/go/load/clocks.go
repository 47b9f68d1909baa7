package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Clocks are readings taken at one moment, in ns.
type clocks struct {
	wall  int64
	self  int64           // processor time of this process
	cpu   map[int32]int64 // processor time of every process, all its threads
	steal int64           // time the hypervisor gave to others
}

// Window is what passed between two readings.
type window struct {
	WallNs   int64           `json:"wall_ns"`
	SelfNs   int64           `json:"self_ns"`
	OthersNs int64           `json:"others_ns"` // processes that are neither watched nor this one
	StealNs  int64           `json:"steal_ns"`
	CPUNs    map[int32]int64 `json:"cpu_ns"` // the watched processes
}

func readClocks() clocks {
	now := clocks{wall: readClock(unix.CLOCK_MONOTONIC), cpu: map[int32]int64{}, steal: readSteal()}
	for _, pid := range listPids() {
		if ns, err := tryClock(processClock(pid)); err == nil { // else it has just ended
			now.cpu[pid] = ns
		}
	}
	now.self = readClock(unix.CLOCK_PROCESS_CPUTIME_ID)
	return now
}

// Since takes a process that is new for one that began at 0. What a process
// used that ended in between is lost, so OthersNs is a lower bound.
func (c clocks) since(before clocks, watched []int32) window {
	result := window{
		WallNs: c.wall - before.wall, SelfNs: c.self - before.self,
		StealNs: c.steal - before.steal, CPUNs: map[int32]int64{},
	}
	used := map[int32]int64{}
	for pid, ns := range c.cpu {
		used[pid] = ns - before.cpu[pid]
	}
	delete(used, int32(os.Getpid()))
	for _, pid := range watched {
		result.CPUNs[pid] = used[pid]
		delete(used, pid)
	}
	for _, ns := range used {
		result.OthersNs += ns
	}
	return result
}

// ProcessClock is the kernel's number for the scheduler's clock of a process:
// what clock_getcpuclockid(3) computes. It counts user and system time exactly,
// where /proc/PID/stat counts ticks of 10 ms.
func processClock(pid int32) int32 {
	return ^pid<<3 | 2
}

func tryClock(clock int32) (int64, error) {
	var now unix.Timespec
	err := unix.ClockGettime(clock, &now)
	return now.Nano(), err
}

func readClock(clock int32) int64 {
	ns, err := tryClock(clock)
	if err != nil {
		panic(fmt.Errorf("clock %d: %w", clock, err))
	}
	return ns
}

func monotonicNs() int64 {
	return readClock(unix.CLOCK_MONOTONIC)
}

func listPids() []int32 {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		panic(err)
	}
	var pids []int32
	for _, entry := range entries {
		if pid, err := strconv.ParseInt(entry.Name(), 10, 32); err == nil {
			pids = append(pids, int32(pid))
		}
	}
	return pids
}

// ReadSteal returns the eighth figure of the first line of /proc/stat, which
// counts ticks of 10 ms.
func readSteal() int64 {
	const tickNs = 10_000_000
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		panic(err)
	}
	ticks, _ := strconv.ParseInt(strings.Fields(string(text))[8], 10, 64)
	return ticks * tickNs
}
