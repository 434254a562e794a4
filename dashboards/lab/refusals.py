"""What goes wrong, as one sentence for a page to show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def refused_as(refusal: type[Exception], *faults: type[Exception]) -> Iterator[None]:
    """What this project and the system have to say, as a refusal.

    Args:
        refusal: What is raised in place of faults.
        faults: Whose text is a sentence already; those of the system are given one.
    """
    try:
        yield
    except faults as error:
        raise refusal(str(error)) from error
    except OSError as error:
        raise refusal(f"{error.filename or 'the store'}: {error.strerror}") from error
