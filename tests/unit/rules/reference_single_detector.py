"""The single-metric detector written once more for one device, sample by sample, in plain Python."""

import math
from collections import defaultdict
from dataclasses import dataclass, field

DAY, WEEK, HOUR_MS = 24, 168, 3_600_000
HALF = {name: 1 - 2 ** (-1 / life) for name, life in (("slow", 4000), ("jumps", 10), ("blocks", 30))}
SHORT = [1 - 2 ** (-1 / life) for life in (3, 10, 40)]
LEAST = math.exp(0.6)


@dataclass
class Tail:
    """One statistic's record and block maxima."""

    record: float = 0.0
    peak: float = 0.0
    lid: float = math.inf
    mean: float = 0.0
    variance: float = 0.0
    width: float = math.inf
    count: int = 0
    blocks: int = 0

    def novelty(self, statistic: float) -> float:
        u = (math.log(statistic) - self.mean) / self.width if statistic > self.record else 0.0
        self.record *= 2 ** (-1 / 20_000)
        held = min(statistic, max(self.record, self.lid))
        self.record, self.peak = max(self.record, held), max(self.peak, held)
        self.count += 1
        if self.count == 50:
            self._close()
        return max(u, 0.0)

    def _close(self) -> None:
        self.blocks += 1
        gain = max(HALF["blocks"], 1 / self.blocks)
        step = math.log(self.peak) - self.mean
        self.mean += gain * step
        self.variance = (1 - gain) * (self.variance + gain * step * step)
        if self.blocks >= 2:
            self.width = math.sqrt(self.variance) + 0.15 * (1 + 1 / self.blocks)
            self.lid = math.exp(min(self.mean + 6 * self.width, 700))
        self.peak, self.count = 0.0, 0


@dataclass
class Season:
    recent: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    daily: dict[int, float] = field(default_factory=dict)
    weekly: dict[int, float] = field(default_factory=dict)
    largest: dict[int, float] = field(default_factory=dict)
    hour: int | None = None
    visit: list[float] = field(default_factory=list)
    peak: float = 0.0

    def turn(self, hour: int) -> None:
        if self.hour is not None and self.hour != hour:
            mean = sum(self.visit) / len(self.visit)
            for table, key, new in (
                (self.daily, self.hour % DAY, mean),
                (self.largest, self.hour % DAY, self.peak),
                (self.weekly, self.hour % WEEK, mean),
            ):
                table[key] = table[key] + 0.25 * (new - table[key]) if key in table else new
            self.visit, self.peak = [], 0.0
        self.hour = hour

    def expected(self, hour: int, place: float) -> tuple[float, float]:
        """Daily and weekly, on the line to the neighbouring hour that is nearer."""
        side = 1 if place > 0 else -1
        found = []
        for table, span in ((self.daily, DAY), (self.weekly, WEEK)):
            if hour % span not in table:
                found.append(found[0] if found else 0.0)
                continue
            here = table[hour % span]
            found.append(here + abs(place) * (table.get((hour + side) % span, here) - here))
        return found[0], found[1]


@dataclass
class ReferenceDetector:
    season: Season = field(default_factory=Season)
    tails: list[Tail] = field(default_factory=lambda: [Tail() for _ in range(6)])
    age: int = 0
    seen: int = 0
    size: float = 0.0
    mean: float = 0.0
    level_spread: float = 0.0
    limit: float = 7.0
    spread: float = 0.0
    before: float = 0.0
    jump: float = 0.0
    jump_spread: float = 0.0
    resting: int = 0
    short: list[float] = field(default_factory=lambda: [0.0] * 3)
    short_spread: list[float] = field(default_factory=lambda: [0.0] * 3)

    def update(self, ts: int, x: float) -> float:
        """The score; NaN while too young."""
        statistics = self.statistics(ts, x)
        novel = 0.0
        if self.age > 90:
            novel = max(tail.novelty(one) for tail, one in zip(self.tails, statistics, strict=True))
        if self.tails[0].blocks < 2:
            return math.nan
        if self.resting:
            self.resting -= 1
            return 0.0
        score = novel / (novel + 1.7)
        self.resting = 60 if score >= 0.5 else 0
        return score

    def statistics(self, ts: int, x: float) -> list[float]:
        if self.age == 0:
            self.mean = self.before = x
            self.seen = ts
        self.age += 1
        gain, caution = max(HALF["slow"], 1 / self.age), 1 + 200 / self.age
        self.size += gain * (abs(x) - self.size)
        tiny = 1e-12 * self.size + 1e-150
        limit = self.limit if self.age > 76 else 1e100
        hour = ts // HOUR_MS
        self.season.turn(hour)
        deviation = x - self.mean
        recent = deviation - self.season.recent[hour % DAY]
        daily, weekly = self.season.expected(hour, (ts - hour * HOUR_MS) / HOUR_MS - 0.5)
        residual = min((recent, deviation - daily, deviation - weekly), key=abs)
        scale = math.sqrt(self.spread) + tiny
        bound = limit * scale
        clipped = max(min(residual, bound), -bound)
        found = [abs(residual) / (scale * caution)]
        for k in range(3):
            self.short[k] += max(SHORT[k], 1 / self.age) * (clipped - self.short[k])
            own = math.sqrt(self.short_spread[k]) + tiny
            found.append(abs(self.short[k]) / own / caution)
            self.short_spread[k] += gain * (min(abs(self.short[k]), limit * own) ** 2 - self.short_spread[k])
        usual = self.season.largest.get(hour % DAY, 0.0)
        found.append(abs(residual) / (math.sqrt(self.spread * caution**2 + usual**2) + tiny))
        found.append(self.jumping(x, gain, limit, tiny))
        elapsed = 0.36 * min(max(ts - self.seen, 0), HOUR_MS) / HOUR_MS
        self.season.recent[hour % DAY] += elapsed / (1 + elapsed) * max(min(recent, bound), -bound)
        self.season.visit.append(daily + max(min(deviation - daily, bound), -bound))
        self.season.peak = max(self.season.peak, min(abs(residual), 16 * scale))
        self.seen = ts
        self.spread += gain * (clipped**2 - self.spread)
        level = limit * (math.sqrt(self.level_spread) + tiny)
        level = max(min(deviation, level), -level)
        self.mean += gain * level
        self.level_spread += gain * (level**2 - self.level_spread)
        self.limit = min(self.limit * 1.1, 1e90) if abs(residual) > bound else 7.0
        return [max(one, LEAST) for one in found]

    def jumping(self, x: float, gain: float, limit: float, tiny: float) -> float:
        step, usual = x - self.before, math.sqrt(self.jump_spread) + tiny
        self.jump += max(HALF["jumps"], 1 / self.age) * (step**2 - self.jump)
        self.jump_spread += gain * (min(abs(step), limit * usual) ** 2 - self.jump_spread)
        self.before = x
        return (math.sqrt(self.jump) + tiny) / usual
