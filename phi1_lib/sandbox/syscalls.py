"""The system calls a confined program is refused, each with the reason.

Numbers are (x86_64, aarch64); None where that machine never had the call. Sources: the kernel's
`arch/x86/entry/syscalls/syscall_64.tbl` and `include/uapi/asm-generic/unistd.h`. From 424 on, all
machines share their numbers.

Calls that do harm with some arguments only (`kill`, `prlimit64`, `prctl`, `ioctl`, `fcntl`, `open`)
are not here but in `seccomp.py`, which looks at the arguments.
"""

MACHINES = ("x86_64", "aarch64")
NEWEST = 450  # set_mempolicy_home_node, Linux 5.17: whatever came later is "not implemented"

DENIED = {
    "starts a process or a thread, which would outlive or outnumber the limits": {
        "clone": (56, 220),
        "fork": (57, None),
        "vfork": (58, None),
    },
    "replaces the program by another one": {
        "execve": (59, 221),
        "execveat": (322, 281),
        "uselib": (134, None),
        "memfd_create": (319, 279),  # a file without a folder: nothing Landlock could judge
        "memfd_secret": (447, 447),
    },
    "reaches other processes and machines through a socket": {
        "socket": (41, 198),
        "socketpair": (53, 199),
        "connect": (42, 203),
        "bind": (49, 200),
        "listen": (50, 201),
        "accept": (43, 202),
        "accept4": (288, 242),
        "sendto": (44, 206),
        "sendmsg": (46, 211),
        "sendmmsg": (307, 269),
        "recvfrom": (45, 207),
        "recvmsg": (47, 212),  # takes in open files of other processes
        "recvmmsg": (299, 243),
    },
    "signals other processes, or picks them for a signal": {
        "rt_sigqueueinfo": (129, 138),
        "rt_tgsigqueueinfo": (297, 240),
        "pidfd_send_signal": (424, 424),
        "pidfd_open": (434, 434),
    },
    "reads, steers or slows other processes": {
        "ptrace": (101, 117),
        "process_vm_readv": (310, 270),
        "process_vm_writev": (311, 271),
        "process_madvise": (440, 440),
        "process_mrelease": (448, 448),
        "pidfd_getfd": (438, 438),
        "kcmp": (312, 272),
        "get_robust_list": (274, 100),
        "migrate_pages": (256, 238),
        "move_pages": (279, 239),
        "setpriority": (141, 140),
        "ioprio_set": (251, 30),
        "sched_setaffinity": (203, 122),
        "sched_setparam": (142, 118),
        "sched_setscheduler": (144, 119),
        "sched_setattr": (314, 274),
    },
    "leaves the process group that is killed when the time is over": {
        "setpgid": (109, 154),
        "setsid": (112, 157),
    },
    "changes who the process is, or what it may use": {
        "setuid": (105, 146),
        "setgid": (106, 144),
        "setreuid": (113, 145),
        "setregid": (114, 143),
        "setresuid": (117, 147),
        "setresgid": (119, 149),
        "setfsuid": (122, 151),
        "setfsgid": (123, 152),
        "setgroups": (116, 159),
        "capset": (126, 91),
        "setrlimit": (160, 164),
        "personality": (135, 92),
        "seccomp": (317, 277),
    },
    "changes files by a way that Landlock does not judge": {
        "chmod": (90, None),
        "fchmod": (91, 52),
        "fchmodat": (268, 53),
        "chown": (92, None),
        "fchown": (93, 55),
        "lchown": (94, None),
        "fchownat": (260, 54),
        "setxattr": (188, 5),
        "lsetxattr": (189, 6),
        "fsetxattr": (190, 7),
        "removexattr": (197, 14),
        "lremovexattr": (198, 15),
        "fremovexattr": (199, 16),
        "utime": (132, None),
        "utimes": (235, None),
        "futimesat": (261, None),
        "utimensat": (280, 88),
        "truncate": (76, 45),  # Landlock judges it from ABI 3 on only
    },
    "makes something that is neither a plain file nor a folder": {
        "link": (86, None),
        "linkat": (265, 37),
        "symlink": (88, None),
        "symlinkat": (266, 36),
        "mknod": (133, None),
        "mknodat": (259, 33),
    },
    "reads or watches files by a way that Landlock does not judge": {
        "getxattr": (191, 8),
        "lgetxattr": (192, 9),
        "fgetxattr": (193, 10),
        "listxattr": (194, 11),
        "llistxattr": (195, 12),
        "flistxattr": (196, 13),
        "name_to_handle_at": (303, 264),
        "open_by_handle_at": (304, 265),
        "inotify_init": (253, None),
        "inotify_init1": (294, 26),
        "inotify_add_watch": (254, 27),
        "fanotify_init": (300, 262),
        "fanotify_mark": (301, 263),
    },
    "shares memory, semaphores or messages with other processes": {
        "shmget": (29, 194),
        "shmat": (30, 196),
        "shmctl": (31, 195),
        "semget": (64, 190),
        "semop": (65, 193),
        "semctl": (66, 191),
        "semtimedop": (220, 192),
        "msgget": (68, 186),
        "msgsnd": (69, 189),
        "msgrcv": (70, 188),
        "msgctl": (71, 187),
        "mq_open": (240, 180),
        "mq_unlink": (241, 181),
        "mq_timedsend": (242, 182),
        "mq_timedreceive": (243, 183),
        "mq_notify": (244, 184),
        "mq_getsetattr": (245, 185),
    },
    "opens a large, young or seldom used part of the kernel": {
        "io_uring_setup": (425, 425),  # its requests would also pass this filter by
        "io_uring_enter": (426, 426),
        "io_uring_register": (427, 427),
        "io_setup": (206, 0),
        "io_submit": (209, 2),
        "bpf": (321, 280),
        "perf_event_open": (298, 241),
        "userfaultfd": (323, 282),
        "keyctl": (250, 219),
        "add_key": (248, 217),
        "request_key": (249, 218),
        "modify_ldt": (154, None),
        "vmsplice": (278, 75),
        "remap_file_pages": (216, 234),
        "lookup_dcookie": (212, 18),
        "nfsservctl": (180, 42),
        "sysfs": (139, None),
        "_sysctl": (156, None),
    },
    "changes which files the process sees": {
        "unshare": (272, 97),
        "setns": (308, 268),
        "mount": (165, 40),
        "umount2": (166, 39),
        "pivot_root": (155, 41),
        "chroot": (161, 51),
        "open_tree": (428, 428),
        "move_mount": (429, 429),
        "fsopen": (430, 430),
        "fsconfig": (431, 431),
        "fsmount": (432, 432),
        "fspick": (433, 433),
        "mount_setattr": (442, 442),
    },
    "administers the machine": {
        "init_module": (175, 105),
        "finit_module": (313, 273),
        "delete_module": (176, 106),
        "kexec_load": (246, 104),
        "kexec_file_load": (320, 294),
        "reboot": (169, 142),
        "swapon": (167, 224),
        "swapoff": (168, 225),
        "acct": (163, 89),
        "settimeofday": (164, 170),
        "adjtimex": (159, 171),
        "clock_settime": (227, 112),
        "clock_adjtime": (305, 266),
        "sethostname": (170, 161),
        "setdomainname": (171, 162),
        "iopl": (172, None),
        "ioperm": (173, None),
        "vhangup": (153, 58),
        "syslog": (103, 116),
        "quotactl": (179, 60),
        "quotactl_fd": (443, 443),
        "sync": (162, 81),  # writes out every file system: slows the whole machine
        "syncfs": (306, 267),
    },
}

# Answered by "not implemented", after which the C library uses the older call that can be judged.
ABSENT = {
    "clone3": (435, 435),  # its flags lie in memory, where a filter cannot look
    "openat2": (437, 437),  # likewise
}


def number(call: tuple[int, int | None], machine: str) -> int | None:
    """A call's number on `machine` ("x86_64" or "aarch64"), or None if it has no such call."""
    return call[MACHINES.index(machine)]
