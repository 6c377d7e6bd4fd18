/* Draws the course of time that a page names, in the colours of the theme. What it shows stands on
   the page as a table too. */
"use strict";

(() => {
  const CHARTS = [
    {
      title: "Jobs per minute",
      series: [
        ["succeeded", "Succeeded", "--jobs-chart-good"],
        ["failed", "Failed", "--jobs-chart-bad"],
        ["retried", "Retried", "--jobs-chart-warn"],
      ],
      told: (value) => (value === null ? "–" : value.toLocaleString()),
    },
    {
      title: "Wait and run",
      series: [
        ["wait_p50", "Wait p50", "--jobs-chart-wait", [4, 4]],
        ["wait_p95", "Wait p95", "--jobs-chart-wait"],
        ["run_p50", "Run p50", "--jobs-chart-good", [4, 4]],
        ["run_p95", "Run p95", "--jobs-chart-good"],
      ],
      told: (value) => (value === null ? "–" : duration(value)),
    },
  ];
  const HEIGHT = 220;

  const duration = (seconds) => {
    if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
    if (seconds < 60) return `${seconds.toFixed(1)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
    return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  };

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const draw = (place, data, chart) => {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = chart.title;
    figure.append(caption);
    place.append(figure);
    const axis = { stroke: colour("--body-quiet-color"), grid: { stroke: colour("--hairline-color") } };
    const options = {
      width: figure.clientWidth,
      height: HEIGHT,
      cursor: { sync: { key: "course" } },
      series: [
        {},
        ...chart.series.map(([, label, name, dash]) => ({
          label,
          stroke: colour(name),
          width: 2,
          dash,
          value: (_, value) => chart.told(value ?? null),
        })),
      ],
      axes: [axis, { ...axis, size: 70, values: (_, values) => values.map(chart.told) }],
      scales: { y: { range: (_, low, high) => [0, Math.max(high, 0.001) * 1.05] } },
    };
    const columns = [data.at, ...chart.series.map(([key]) => data[key])];
    const plot = new uPlot(options, columns, figure);
    new ResizeObserver(() => plot.setSize({ width: figure.clientWidth, height: HEIGHT })).observe(figure);
  };

  const show = async (place) => {
    const answer = await fetch(place.dataset.course, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`the figures could not be had: ${answer.status}`);
    const data = await answer.json();
    const drawn = () => {
      place.replaceChildren();
      CHARTS.forEach((chart) => draw(place, data, chart));
    };
    drawn();
    // The admin's switch changes an attribute, the system's a media query.
    new MutationObserver(drawn).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawn);
  };

  document.querySelectorAll(".jobs-charts[data-course]").forEach((place) => {
    show(place).catch((error) => {
      place.textContent = `No chart: ${error.message}.`;
    });
  });
})();
