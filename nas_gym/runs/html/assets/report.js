
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colours = () => [style("--best"), style("--mean"), style("--point"), style("--bad"), "#8e6bbf", "#5f9e4a", "#c2567e", "#8a8f98"];
  const charts = [];

  // One x axis for series of several lengths: uPlot wants all values at all places.
  const joined = (parts) => {
    const places = [...new Set(parts.flatMap((part) => part.x))].sort((a, b) => a - b);
    const at = new Map(places.map((x, i) => [x, i]));
    return [places, ...parts.map((part) => {
      const values = new Array(places.length).fill(part.hold ? undefined : null);
      part.x.forEach((x, i) => { values[at.get(x)] = part.y[i]; });
      if (part.hold) { // the best so far stays until there is a better one
        let last = null;
        const end = Math.max(...part.x);
        for (let i = 0; i < values.length; i++) {
          if (values[i] === undefined || values[i] === null) values[i] = places[i] <= end ? last : null;
          else last = values[i];
        }
      }
      return values;
    })];
  };

  const draw = (id, parts, label) => {
    const place = document.getElementById(id);
    if (!parts.length || !parts[0].x.length) { place.hidden = true; return; }
    const axis = { stroke: style("--ink"), grid: { stroke: style("--line") }, ticks: { stroke: style("--line") } };
    const chart = new uPlot({
      width: place.clientWidth, height: 300,
      scales: { x: { time: false } },
      axes: [{ ...axis, label }, { ...axis, size: 70 }],
      series: [{ label }, ...parts.map((part) => ({
        label: part.label, stroke: part.stroke, width: part.points ? 0 : 2, dash: part.dash,
        paths: part.step ? uPlot.paths.stepped({ align: 1 }) : part.points ? () => null : undefined,
        points: part.points ? { show: true, size: 4, fill: part.stroke } : { show: part.x.length < 2 },
        spanGaps: !part.points,
      }))],
    }, joined(parts), place);
    charts.push([chart, place]);
  };

  const all = () => {
    charts.splice(0).forEach(([chart]) => chart.destroy());
    const [best, mean, point] = colours();
    const lines = [
      ...data.runs.map((run, i) => ({ run, stroke: colours()[i % 8] })),
      ...data.baselines.map((run) => ({ run, stroke: style("--soft"), dash: [6, 4] })),
    ];
    draw("best", lines.map(({ run, stroke, dash }) => ({ label: run.name, x: run.curve.request, y: run.curve.best, stroke, dash, step: true, hold: true })), "request");
    data.runs.forEach((run, i) => {
      const x = run.curve.request;
      draw(`rewards${i + 1}`, [
        { label: "reward", x, y: run.curve.reward, stroke: point, points: true },
        ...(x.length < 20 ? [] : [{ label: "running mean", x, y: run.curve.mean, stroke: mean }]),
        { label: "best so far", x, y: run.curve.best, stroke: best, step: true, hold: true },
      ], "request");
      if (run.learning.length) {
        document.getElementById(`learning${i + 1}-part`).hidden = false;
        draw(`learning${i + 1}`, run.learning.map((each, k) => ({
          label: `rank ${each.rank}`, x: each.curve.map((_, e) => e + 1), y: each.curve, stroke: colours()[k % 8],
        })), run.unit);
      }
    });
  };
  all();
  addEventListener("resize", () => charts.forEach(([chart, place]) => chart.setSize({ width: place.clientWidth, height: 300 })));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);

  // Commands: a button copies one; where a browser lets no page do that, it selects it.
  document.querySelectorAll(".command").forEach((command) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    const say = (text) => { button.textContent = text; };
    say("copy");
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(command.textContent);
        say("copied");
      } catch {
        getSelection().selectAllChildren(command);
        say("selected");
      }
      setTimeout(say, 3000, "copy");
    });
    command.after(button);
  });

  // Tables: a button in each heading sorts by its column, by number where cells have one.
  document.querySelectorAll("table.sortable").forEach((table) => {
    table.querySelectorAll("thead th").forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = heading.getAttribute("aria-sort") === "ascending";
        table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => {
          const cell = row.cells[column];
          const number = parseFloat(cell.dataset.value ?? cell.textContent.replaceAll(",", ""));
          return Number.isNaN(number) ? cell.textContent : number;
        };
        const order = (a, b) => {
          const [x, y] = [value(a), value(b)];
          return typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
        };
        const rows = [...table.tBodies[0].rows].sort(order);
        table.tBodies[0].append(...(down ? rows.reverse() : rows));
      });
    });
  });
})();
