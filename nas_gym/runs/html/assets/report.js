
"use strict";
(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  const style = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  // Colours that are told apart without red and green, and each with a dash of its own.
  const COLOURS = ["--best", "--s1", "--s2", "--s3", "--s4", "--s5"];
  const DASHES = [[], [8, 4], [2, 3], [12, 4, 2, 4], [5, 2], [16, 6]];
  const look = (n) => ({ stroke: style(COLOURS[n % 6]), dash: DASHES[n % 6] });
  const WHOLE = [1, 2, 5].flatMap((n) => [...Array(9).keys()].map((k) => n * 10 ** k)).sort((a, b) => a - b);
  const PAPER = 680; // pixels between the margins of a printed page
  const charts = [];
  let onPaper = false;

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

  const button = (text, pressed) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "small";
    made.textContent = text;
    made.addEventListener("click", pressed);
    return made;
  };

  const width = (place) => (onPaper ? Math.min(PAPER, place.clientWidth) : place.clientWidth);

  // What a legend shows of a series: its line, with its dash, or a dot.
  const sample = ({ stroke, dash, points }) => {
    if (points) return { width: "6px", height: "6px", borderRadius: "3px", background: stroke };
    let at = 0;
    const stops = (dash ?? []).map((length, i) => {
      const from = at;
      at += length;
      return `${i % 2 ? "transparent" : stroke} ${from}px ${at}px`;
    });
    return { width: "32px", height: "3px", background: stops.length ? `repeating-linear-gradient(90deg, ${stops})` : stroke };
  };

  const draw = (id, parts, label) => {
    const place = document.getElementById(id);
    place.replaceChildren();
    if (parts.every(function (part) { return !part.x.length; })) { place.hidden = true; return; }
    const axis = { stroke: style("--ink"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line"), width: 1 } };
    const values = joined(parts);
    const ends = [values[0][0], values[0][values[0].length - 1]];
    const all = () => chart.setScale("x", { min: ends[0], max: ends[1] });
    const reset = button("show all", () => { all(); place.focus(); });
    reset.hidden = true;
    const chart = new uPlot({
      width: width(place), height: 300,
      scales: { x: { time: false } },
      axes: [{ ...axis, label, incrs: WHOLE, values: (_, ticks) => ticks.map((x) => x.toLocaleString("en")) }, { ...axis, size: 70 }],
      hooks: { setScale: [(u, key) => { if (key === "x") reset.hidden = u.scales.x.min <= ends[0] && u.scales.x.max >= ends[1]; }] },
      series: [{ label }, ...parts.map((part) => ({
        label: part.label, stroke: part.stroke, width: part.points ? 0 : part.wide ?? 2, dash: part.dash,
        paths: part.step ? uPlot.paths.stepped({ align: 1 }) : part.points ? () => null : undefined,
        points: part.points ? { show: true, size: 4, fill: part.stroke } : { show: part.x.length < 2 },
        spanGaps: !part.points,
      }))],
    }, values, place);
    charts.push([chart, place]);
    [...chart.root.querySelectorAll(".u-legend .u-marker")].slice(-parts.length).forEach((marker, i) => {
      Object.assign(marker.style, { border: "none", ...sample(parts[i]) });
    });

    // By key: along the chart, nearer, and back; what the legend then shows is said as well.
    const said = document.createElement("p");
    said.className = "said";
    said.setAttribute("aria-live", "polite");
    place.append(reset, said);
    place.tabIndex = 0;
    const zoom = (by, middle) => {
      const { min, max } = chart.scales.x;
      const half = Math.max(1, (max - min) * by / 2);
      chart.setScale("x", { min: Math.max(ends[0], middle - half), max: Math.min(ends[1], middle + half) });
    };
    place.onkeydown = (event) => {
      if (event.target !== place || event.ctrlKey || event.metaKey || event.altKey) return;
      const xs = values[0];
      const { min, max } = chart.scales.x;
      const now = chart.cursor.idx;
      const inside = (i) => xs[i] >= min && xs[i] <= max;
      const first = xs.findIndex((x) => x >= min);
      const last = xs.findLastIndex((x) => x <= max);
      const step = event.shiftKey ? Math.max(1, Math.round((last - first) / 20)) : 1;
      const known = now !== null && now !== undefined && inside(now);
      const to = {
        ArrowRight: known ? now + step : first, ArrowLeft: known ? now - step : last, Home: first, End: last,
      }[event.key];
      if (to !== undefined) {
        const i = Math.min(last, Math.max(first, to));
        chart.setCursor({ left: chart.valToPos(xs[i], "x"), top: chart.over.clientHeight / 2 });
        const told = parts.map((part, k) => [part.label, values[k + 1][i]]).filter(([, y]) => y !== null && y !== undefined);
        said.textContent = `${label} ${xs[i]}: ${told.map(([name, y]) => `${name} ${y}`).join(", ")}`;
      } else if (event.key === "+" || event.key === "=") zoom(0.5, known ? xs[now] : (min + max) / 2);
      else if (event.key === "-") zoom(2, (min + max) / 2);
      else if (event.key === "Escape") all();
      else return;
      event.preventDefault();
    };
  };

  const drawAll = () => {
    charts.splice(0).forEach(([chart]) => chart.destroy());
    const named = (run) => (run.agent === "-" || run.name.includes(run.agent) ? run.name : `${run.name} (${run.agent})`);
    const lines = [...data.runs, ...data.baselines];
    draw("best", lines.map((run, i) => ({
      label: named(run), x: run.curve.request, y: run.curve.best, ...look(i), wide: i ? 1.5 : 2.5, step: true, hold: true,
    })), "request");
    data.runs.forEach((run, i) => {
      const x = run.curve.request;
      draw(`rewards${i + 1}`, [
        { label: "reward", x, y: run.curve.reward, stroke: style("--point"), points: true },
        ...(x.length < 20 ? [] : [{ label: "running mean", x, y: run.curve.mean, stroke: style("--mean"), dash: [8, 4] }]),
        { label: "best so far", x, y: run.curve.best, stroke: style("--best"), step: true, hold: true },
      ], "request");
      if (run.learning.length) {
        draw(`learning${i + 1}`, run.learning.map((each, k) => ({
          label: `rank ${each.rank}`, x: each.curve.map((_, e) => e + 1), y: each.curve, ...look(k),
        })), run.unit);
      }
    });
  };
  drawAll();
  addEventListener("resize", () => { if (!onPaper) charts.forEach(([chart, place]) => chart.setSize({ width: width(place), height: 300 })); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

  // On paper: dark on white, whatever the screen has, and what is folded is open.
  const closed = [];
  const paper = (on) => {
    if (on === onPaper) return;
    onPaper = on;
    root.classList.toggle("paper", on);
    if (on) document.querySelectorAll("details:not([open], .settings)").forEach((each) => { closed.push(each); each.open = true; });
    else closed.splice(0).forEach((each) => { each.open = false; });
    drawAll();
  };
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));
  matchMedia("print").addEventListener("change", (event) => paper(event.matches));

  // Drawings that a window makes too small to read: a button shows them in full size, to scroll.
  document.querySelectorAll(".drawn").forEach((place) => {
    const image = place.querySelector("img");
    const larger = button("larger", () => {
      const large = place.classList.toggle("large");
      larger.textContent = large ? "smaller" : "larger";
    });
    place.append(larger);
    const fits = () => { larger.hidden = !place.classList.contains("large") && image.clientWidth >= image.getAttribute("width") - 1; };
    fits();
    addEventListener("resize", fits);
  });

  // Commands: a button copies one; where a browser lets no page do that, it selects it.
  document.querySelectorAll(".command").forEach((command) => {
    const copy = button("copy", async () => {
      try {
        await navigator.clipboard.writeText(command.textContent);
        say("copied");
      } catch {
        getSelection().selectAllChildren(command);
        say("selected");
      }
      setTimeout(say, 3000, "copy");
    });
    const say = (text) => { copy.textContent = text; };
    copy.classList.add("copy");
    copy.setAttribute("aria-live", "polite");
    command.after(copy);
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
