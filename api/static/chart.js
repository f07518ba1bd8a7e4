// Draws the charts of desk pages: every element with data-plot gets the readings it names.
"use strict";
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const fade = (color, share) => `color-mix(in srgb, ${color} ${share}%, transparent)`;
  const drawn = new Map();
  const specs = new WeakMap();

  async function load(spec, metric) {
    const query = new URLSearchParams({ metric, from: spec.from, to: spec.to, max_points: "800" });
    const answer = await fetch(`/v1/devices/${encodeURIComponent(spec.device)}/readings?${query}`);
    if (!answer.ok) throw new Error(answer.statusText);
    return (await answer.json()).items;
  }

  function overlay(spec) {
    return {
      hooks: {
        drawClear: [(u) => {
          if (!spec.onset) return;
          const { ctx, bbox } = u;
          const from = Math.max(u.valToPos(spec.onset, "x", true), bbox.left);
          const to = Math.min(u.valToPos(spec.over ?? u.scales.x.max, "x", true), bbox.left + bbox.width);
          ctx.save();
          ctx.fillStyle = fade(css("--alarm"), 8);
          ctx.fillRect(from, bbox.top, Math.max(to - from, 0), bbox.height);
          ctx.restore();
        }],
        draw: [(u) => {
          const { ctx, bbox } = u;
          const scale = devicePixelRatio;
          ctx.save();
          ctx.font = `${11 * scale}px Inter, system-ui, sans-serif`;
          ctx.textAlign = "left";
          ctx.textBaseline = "alphabetic";
          if (spec.limit !== null && spec.limit !== undefined) {
            const y = u.valToPos(spec.limit, "y", true);
            ctx.strokeStyle = ctx.fillStyle = css("--alarm");
            ctx.setLineDash([4 * scale, 4 * scale]);
            ctx.beginPath();
            ctx.moveTo(bbox.left, y);
            ctx.lineTo(bbox.left + bbox.width, y);
            ctx.stroke();
            ctx.setLineDash([]);
            ctx.fillText(`limit ${spec.limit}${spec.unit ? " " + spec.unit : ""}`, bbox.left + 4 * scale, y - 5 * scale);
          }
          let free = -Infinity;
          for (const mark of spec.marks ?? []) {
            const x = u.valToPos(mark.at, "x", true);
            if (x < bbox.left || x > bbox.left + bbox.width) continue;
            ctx.fillStyle = ctx.strokeStyle = css(mark.tone === "alarm" ? "--alarm" : "--muted");
            ctx.globalAlpha = 0.5;
            ctx.fillRect(x, bbox.top, scale, bbox.height);
            ctx.globalAlpha = 1;
            const width = ctx.measureText(mark.text).width;
            const left = Math.min(x + 4 * scale, bbox.left + bbox.width - width);
            if (left > free) {
              ctx.fillText(mark.text, left, bbox.top + 11 * scale);
              free = left + width + 6 * scale;
            }
          }
          ctx.restore();
        }],
      },
    };
  }

  function options(element, spec, first) {
    const font = "11px Inter, system-ui, sans-serif";
    const axis = { stroke: css("--muted"), font, grid: { stroke: css("--line"), width: 1 }, ticks: { show: false } };
    const colors = [css("--calm"), css("--accent"), css("--watch")];
    return {
      width: element.clientWidth,
      height: element.clientHeight,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), spec.zone),
      plugins: [overlay(spec)],
      cursor: { y: false, points: { size: 6 } },
      legend: { live: true },
      scales: {
        x: { time: true, min: Math.max(Date.parse(spec.from) / 1000, spec.onset ? first - 60 : 0), max: Date.parse(spec.to) / 1000 },
        y: { range: (u, low, high) => {
          const values = [low, high, spec.limit].filter((v) => v !== null && v !== undefined);
          const [a, b] = [Math.min(...values), Math.max(...values)];
          const room = (b - a) * 0.1 || Math.abs(b) * 0.1 || 1;
          return [a - room, b + room * 1.6];
        } },
      },
      axes: [{ ...axis, grid: { show: false }, values: "{HH}:{mm}", space: 60, size: 26 }, { ...axis, size: 44 }],
      series: [
        { value: "{HH}:{mm}:{ss}" },
        ...spec.metrics.slice(0, 1).map((metric, i) => ({ label: spec.title ?? metric, stroke: colors[i], width: 1.75, spanGaps: false, points: { show: false }, value: (u, v) => (v === null || v === undefined ? "–" : `${Math.round(v * 100) / 100} ${spec.unit}`) })),
      ],
    };
  }

  async function draw(element) {
    const text = element.dataset.plot;
    const spec = JSON.parse(text);
    specs.set(element, text);
    let items;
    try {
      items = await load(spec, spec.metrics[0]);
    } catch {
      element.textContent = "The readings cannot be fetched right now.";
      element.classList.add("muted", "s");
      return;
    }
    drawn.get(element)?.destroy();
    element.replaceChildren();
    const numbers = items.filter((item) => typeof item.value === "number");
    if (!numbers.length) {
      element.textContent = "No readings in this time.";
      element.classList.add("muted", "s");
      return;
    }
    const data = [numbers.map((item) => Date.parse(item.ts) / 1000), numbers.map((item) => item.value)];
    drawn.set(element, new uPlot(options(element, spec, data[0][0]), data, element));
  }

  const all = () => document.querySelectorAll("[data-plot]");
  const redraw = () => all().forEach(draw);
  let waiting = null;
  const soon = () => { clearTimeout(waiting); waiting = setTimeout(redraw, 400); };
  redraw();
  // A swap leaves the drawing alone and changes what it should show; a chart a second is enough.
  document.addEventListener("htmx:after:swap", () => {
    if ([...all()].some((element) => specs.get(element) !== element.dataset.plot)) soon();
  });
  addEventListener("resize", soon);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();
