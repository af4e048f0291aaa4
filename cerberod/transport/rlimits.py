"""How many sessions the descriptors of this process are enough for, so that some are always left for everything else.

Without this, sessions would take the last descriptor, and neither a health probe nor a venue could be reached.
"""

import resource

RESERVED = 384
"""Descriptors for the HTTP listener with its 256 connections, for records, venues, and the runtime itself."""


def sessions_within(wanted: int) -> int:
    """Raise the soft limit as far as needed and allowed; return how many sessions fit.

    A session and a connection that has not yet said what it wants take one descriptor each, and as many may be open of
    the one as of the other.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = RESERVED + 2 * wanted
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        if raised > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    return wanted if soft == resource.RLIM_INFINITY else fitting(soft, wanted)


def fitting(descriptors: int, wanted: int) -> int:
    """Return how many sessions fit into this many descriptors; never none at all."""
    return max(1, min(wanted, (descriptors - RESERVED) // 2))
