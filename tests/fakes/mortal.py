"""An outbox that takes its process with it: at a `take`, or as it writes one kind of step."""


class Killed(BaseException):
    """The process is gone at this very point."""


class Mortal:
    """Dies at `call` (`take`, or the name of a step), before or after the commit."""

    def __init__(self, inner, call, *, after_commit):
        self._inner, self._call, self._after = inner, call, after_commit

    def paused(self):
        return self._inner.paused()

    def broken(self):
        return self._inner.broken()

    def take(self, limit, *, urgent=False):
        return self._do(lambda: self._inner.take(limit, urgent=urgent), {"take"})

    def write(self, reports):
        return self._do(lambda: self._inner.write(reports), {type(step).__name__ for _, step in reports})

    def _do(self, work, what):
        dies = self._call in what
        if dies and not self._after:
            raise Killed
        result = work()
        if dies:
            raise Killed
        return result
