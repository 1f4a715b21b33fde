import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderTour } from "../src/tour/html/page.ts";
import type { TourStory } from "../src/tour/schema.ts";
import { decodePng, pngOf } from "./support/png.ts";
import { tourStory } from "./support/tour-stories.ts";

const HOSTILE = `it's </script><img src=x onerror=alert(1)>"\u202e.onnx`;
const VIOLATED = [{ point: 17, label: 3, predicted: 5, distance: 0.0123, radius: 0.0251 }];

const stories: Record<string, TourStory> = {
  usual: tourStory(),
  long: tourStory({ steps: 20_000 }),
  short: tourStory({ steps: 1, digits: 1, epsilons: [0.5] }),
  unattacked: tourStory({ attacked: 0, digits: 0 }),
  unbounded: tourStory({ upper: null }),
  violated: tourStory({ violated: VIOLATED }),
  hostile: tourStory({ model: (name) => `${name} ${HOSTILE}` }),
};

/** What is drawn, without the data and the script. */
const drawn = (html: string) => html.slice(0, html.indexOf("<script"));
const dataOf = (
  html: string,
): { tables: Record<string, { title: string; values: (number | string | null)[] }[]> } =>
  JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)![1]);
const columnOf = (html: string, table: string, title: string) =>
  dataOf(html).tables[table].find((column) => column.title === title)!.values;

describe.each(Object.entries(stories))("the page of the %s story", (_, story) => {
  const html = renderTour(story);

  it("stands alone: no address to fetch, a policy against it", () => {
    expect(html).toContain(`content="default-src &#39;none&#39;; style-src`);
    expect(html).not.toMatch(/<(link|img|iframe|object|embed)[^>]+(href|src)=["'](?!data:)/);
    expect(html).not.toMatch(/@import|url\(|https?:\/\/(?!www\.w3\.org)/);
  });

  it("holds exactly its own two scripts, and no number that is none", () => {
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(html.match(/<\/script/g)).toHaveLength(2);
    expect(drawn(html)).not.toMatch(/NaN|Infinity|undefined|\[object/);
  });

  it("closes what it opens, and gives no id twice", () => {
    const body = html.slice(html.indexOf("<body>"), html.indexOf("<script"));
    const open: string[] = [];
    for (const [tag, closing, name, own] of body.matchAll(/<(\/?)([a-z0-9]+)[^>]*?(\/?)>/g)) {
      if (["input", "br", "img"].includes(name) || own === "/") continue;
      if (closing === "") open.push(name);
      else expect(open.pop(), tag).toBe(name);
    }
    expect(open).toEqual(["body"]);
    const ids = Array.from(html.matchAll(/ id="([^"]+)"/g), ([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("stays small", () => {
    expect(Buffer.byteLength(html)).toBeLessThan(1.5e6);
  });
});

describe("the numbers shown", () => {
  const story = stories.usual;
  const html = renderTour(story);
  const cards = drawn(html).split('<div class="card ').slice(1, 4);

  it("are the story's, bounds rounded outward and shares down", () => {
    expect(cards).toHaveLength(3);
    for (const [i, card] of cards.entries()) {
      const { lipschitz, accuracy, certified, name } = story.report.networks[i];
      expect(card.startsWith(name)).toBe(true);
      const [lower, upper] = /<p class="figure">([\d.]+)–([\d.]+)</.exec(card)!.slice(1).map(Number);
      expect(lower).toBeLessThanOrEqual(lipschitz.lower!);
      expect(lower).toBeGreaterThan(0.999 * lipschitz.lower!);
      expect(upper).toBeGreaterThanOrEqual(lipschitz.upper!);
      expect(upper).toBeLessThan(1.001 * lipschitz.upper!);
      const shares = Array.from(card.matchAll(/<dd>([\d.]+) %/g), ([, share]) => Number(share) / 100);
      const exact = [accuracy, certified["0.3"], certified["1.58"]];
      expect(shares).toHaveLength(3);
      for (const [k, share] of shares.entries()) {
        expect(share).toBeLessThanOrEqual(exact[k] + 1e-12);
        expect(share).toBeGreaterThan(exact[k] - 1e-4);
      }
    }
  });

  it("say the range of accuracies, and what the longest change amounts to", () => {
    const accuracies = story.report.networks.map(({ accuracy }) => (100 * accuracy).toFixed(2));
    accuracies.sort();
    expect(html).toContain(`${accuracies[0]} % to ${accuracies[2]} % correctly`);
    // 1.58² pixels, or 1.58/√784 on each.
    expect(html).toContain(
      "one of 1.58 is as much as 2.5 pixels turned from white to black, or 0.056 on every pixel",
    );
    expect(html).toContain("784-256-256-10");
  });

  it("never let a shown radius exceed the radius, nor a shown length fall short", () => {
    const figures = drawn(html).split('<figure class="turned">').slice(1);
    const turned = story.digits.flatMap((digit) => digit.turned);
    expect(figures).toHaveLength(turned.length);
    for (const [i, figure] of figures.entries()) {
      const { change, certifiedRadius } = turned[i];
      const radius = Number(/>certified ([\d.]+)</.exec(figure)![1]);
      expect(radius).toBeLessThanOrEqual(certifiedRadius);
      expect(radius).toBeGreaterThan(0.98 * certifiedRadius);
      if (change === null) {
        expect(figure).toContain("no change<br>found");
        continue;
      }
      expect(figure).toContain(`reads ${change.predicted}<`);
      const length = Number(/>length ([\d.]+)</.exec(figure)![1]);
      expect(length).toBeGreaterThanOrEqual(change.distance);
      expect(length).toBeLessThan(1.02 * change.distance);
    }
  });

  it("thin out the steps of long trainings, both ends kept", () => {
    const steps = columnOf(renderTour(stories.long), "training", "Step");
    expect(steps.length).toBeLessThanOrEqual(3 * 2501);
    expect([steps[0], steps.at(-1)]).toEqual([1, 20_000]);
  });

  it("carry every step and every radius for CSV", () => {
    const { networks } = story;
    const steps = networks.flatMap(({ training }) => training.steps);
    expect(columnOf(html, "training", "Step")).toEqual(steps);
    const losses = networks.flatMap(({ training }) => training.loss);
    for (const [i, loss] of columnOf(html, "training", "Loss").entries()) {
      expect(Math.abs(Number(loss) - losses[i])).toBeLessThanOrEqual(1e-6 * losses[i]);
    }
    for (const { name, certificates } of networks) {
      expect(columnOf(html, "radii", `${name} certified radius`)).toEqual(certificates.radii.values);
      const changes = columnOf(html, "radii", `${name} shortest change found`);
      expect(changes.slice(0, 500)).toEqual(certificates.radii.attacked);
      expect(changes.slice(500).every((change) => change === null)).toBe(true);
    }
    expect(columnOf(html, "networks", "Attacked at 0.5")).toEqual(
      story.report.networks.map(({ attacked }) => attacked["0.5"]),
    );
  });
});

describe("the pictures", () => {
  const { digits } = stories.usual;
  const rows = drawn(renderTour(stories.usual)).split('<ol class="digits">')[1].split("<li>").slice(1);
  const picturesOf = (row: string) =>
    Array.from(row.matchAll(/<img[^>]+src="([^"]+)"/g), ([, uri]) => decodePng(pngOf(uri)));

  it("hold the pixels of the digits, pixel by pixel", () => {
    const [original] = picturesOf(rows[2]);
    expect([original.width, original.height, original.channels]).toEqual([28, 28, 1]);
    for (const [i, value] of digits[2].pixels.entries()) {
      expect(Math.abs(original.samples[i] / 255 - value)).toBeLessThanOrEqual(0.5 / 255 + 1e-12);
    }
  });

  it("hold each change: red more ink, blue less, opacity its size on one scale", () => {
    const changesOf = (digit: (typeof digits)[number]) =>
      digit.turned.flatMap(({ change }) =>
        change === null ? [] : [change.pixels.map((value, i) => value - digit.pixels[i])],
      );
    const most = Math.max(...digits.flatMap(changesOf).flatMap((change) => [...change].map(Math.abs)));
    for (const [k, digit] of digits.entries()) {
      const pictures = picturesOf(rows[k]).filter(({ channels }) => channels === 4);
      const changes = changesOf(digit);
      expect(pictures).toHaveLength(changes.length);
      for (const [n, change] of changes.entries()) {
        const { samples } = pictures[n];
        for (const [i, value] of change.entries()) {
          const [red, , blue, opacity] = samples.subarray(4 * i, 4 * i + 4);
          expect(Math.abs(opacity / 255 - Math.abs(value) / most)).toBeLessThanOrEqual(0.5 / 255 + 1e-12);
          if (opacity > 0) expect(red > blue).toBe(value > 0);
        }
      }
    }
  });
});

/** The share that lies above a stepped path at an x from 0 to 2000, in a plot of height 340. */
function shareAt(path: string, x: number): number {
  let y = Number(/^M0 ([\d.]+)/.exec(path)![1]);
  for (const [, to, height] of path.matchAll(/H(\d+)(?:V([\d.]+))?/g)) {
    if (Number(to) > x || height === undefined) break;
    y = Number(height);
  }
  return (332 - y) / 324;
}

it("draws certified and attacked accuracy as what radii and changes say, on either axis", () => {
  const { networks } = stories.usual;
  const html = renderTour(stories.usual);
  const figure = html.slice(html.indexOf('id="robustness-title"'), html.indexOf('id="digits-title"'));
  const [, log, linear] = figure.split("<div data-drawing");
  expect(log).toMatch(/^ data-variant="log" hidden/);
  expect(linear).toMatch(/^ data-variant="linear">/);
  // The longest radius but for half a percent of the digits, with a little room.
  const most = Math.max(
    ...networks.map(({ certificates: { radii } }) => radii.values.toSorted((a, b) => b - a)[9]),
  );
  const high = 1.04 * Math.max(most, 1.58);
  for (const { name, certificates } of networks) {
    const solid = new RegExp(`<path class="line ${name}" d="([^"]+)"`).exec(linear)![1];
    const dashed = new RegExp(`<path class="line dash ${name}" d="([^"]+)"`).exec(linear)![1];
    const thin = new RegExp(`<path class="line thin ${name}" d="([^"]+)"`).exec(linear)![1];
    const { radii, points, attackedPoints } = certificates;
    for (let x = 3.5; x < 2000; x += 41) {
      const length = (x / 2000) * high;
      // A path has one step per unit of x and 0.1 of y: what lies within half a unit counts either way.
      const near = 0.5 * (high / 2000);
      const count = (lengths: readonly (number | null)[], limit: number) =>
        lengths.filter((each) => each === null || each > limit).length;
      const between = (path: string, lengths: readonly (number | null)[], of: number) => {
        const share = shareAt(path, x);
        expect(share).toBeGreaterThanOrEqual(count(lengths, length + near) / of - 0.001);
        expect(share).toBeLessThanOrEqual(count(lengths, length - near) / of + 0.001);
      };
      between(solid, radii.values, points);
      between(thin, radii.values.slice(0, attackedPoints), attackedPoints);
      if (length < 1.58 - near) between(dashed, radii.attacked, attackedPoints);
    }
  }
});

it("tells the exact shares at a length", () => {
  const { networks } = stories.usual;
  const tips = [...renderTour(stories.usual).matchAll(/<title>changes up to ([\d.e-]+) · ([^<]+)<\/title>/g)];
  expect(tips.length).toBe(96);
  for (const [, text, told] of tips) {
    const length = Number(text);
    for (const { name, certificates } of networks) {
      const { radii, points, attackedPoints } = certificates;
      const [, certified, attacked, sample] = new RegExp(
        `${name}: certified ([\\d.]+) %(?:, attacked ([\\d.]+) % \\(of these ([\\d.]+) % certified\\))?`,
      ).exec(told)!;
      const share = (lengths: readonly (number | null)[], of: number) =>
        (100 * lengths.filter((each) => each === null || each > length).length) / of;
      expect(Math.abs(Number(certified) - share(radii.values, points))).toBeLessThan(0.01);
      expect(attacked === undefined).toBe(length > 1.58);
      if (attacked !== undefined) {
        expect(Math.abs(Number(attacked) - share(radii.attacked, attackedPoints))).toBeLessThan(0.1);
        const compared = share(radii.values.slice(0, attackedPoints), attackedPoints);
        expect(Math.abs(Number(sample) - compared)).toBeLessThan(0.1);
        expect(Number(sample)).toBeLessThanOrEqual(Number(attacked));
      }
    }
  }
});

it("compares what withstood with what is certified of the same digits", () => {
  const table = drawn(renderTour(stories.usual)).split('<table id="networks"')[1].split("</table>")[0];
  for (const [i, row] of table.split("<tr data-row").slice(1).entries()) {
    const { attacked, attackedSample } = stories.usual.networks[i].certificates;
    const cells = [...row.matchAll(/>([\d.]+) %<span class="weight">certified ([\d.]+) %</g)];
    expect(cells.map(([, withstood, certified]) => [Number(withstood), Number(certified)])).toEqual(
      ["0.3", "1.58"].map((epsilon) =>
        [attacked[epsilon], attackedSample!.certified[epsilon]].map((share) => Math.round(1000 * share) / 10),
      ),
    );
  }
});

it("says of which digits each curve is", () => {
  const legend = (html: string) => {
    const figure = drawn(html).slice(html.indexOf('id="robustness-title"'));
    return figure.slice(figure.indexOf('<ul class="legend">'), figure.indexOf("</ul>"));
  };
  const sampled = legend(renderTour(stories.usual));
  expect(sampled).toContain("certified, all 2,000 digits<");
  expect(sampled).toContain("withstood the attack, the first 500 digits<");
  expect(sampled).toContain("certified, the first 500 digits<");
  const whole = legend(renderTour(tourStory({ attacked: 2000 })));
  expect(whole).toContain("certified</li>");
  expect(whole).toContain("withstood the attack</li>");
});

it("draws the cascades on one scale", () => {
  const html = renderTour(stories.usual);
  const figure = html.slice(html.indexOf('id="cascade-title"'), html.indexOf('id="robustness-title"'));
  const axes = Array.from(figure.matchAll(/<svg class="chart y-axis".*?<\/svg>/g), ([axis]) => axis);
  expect(axes).toHaveLength(3);
  expect(new Set(axes).size).toBe(1);
  expect(figure).toContain("product 40.35; as a whole 9.314–28.24");
  expect(figure).not.toContain("data-layer");
});

it("leads with the violations where there are some", () => {
  const html = renderTour(stories.violated);
  expect(html.indexOf("The attack contradicts 1 certificate of plain")).toBeGreaterThan(0);
  expect(html.indexOf("The attack contradicts")).toBeLessThan(
    html.indexOf("Three networks of the same size"),
  );
  expect(renderTour(stories.usual)).not.toContain("contradicts");
});

it("says where there is no bound, no attack and no picture", () => {
  expect(renderTour(stories.unbounded)).toContain("No finite bound");
  const bare = drawn(renderTour(stories.unattacked));
  expect(bare).not.toContain("How little it takes");
  expect(bare).not.toContain("withstood the attack");
});

it("shows hostile file names as text only, and quotes them for the shell", () => {
  const html = renderTour(stories.hostile);
  expect(drawn(html)).not.toMatch(/<img src=x|\u202e/);
  expect(drawn(html)).toContain("&#39;plain it&#39;\\&#39;&#39;s &lt;/script&gt;");
});

it("draws the same page for the same story", () => {
  expect(renderTour(tourStory())).toBe(renderTour(tourStory()));
});

const CHROMIUM = "/usr/bin/chromium";
const present = existsSync(CHROMIUM);
if (!present) console.log(`tour-page.test.ts: no Chromium at ${CHROMIUM}, so no page was opened`);

describe.skipIf(!present)("in Chromium", () => {
  let browser: Browser;
  let folder: string;
  const problems: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
    folder = await mkdtemp(join(tmpdir(), "lipschitz-tour-page-"));
    for (const [name, story] of Object.entries(stories)) {
      await writeFile(join(folder, `${name}.html`), renderTour(story));
    }
  });
  afterAll(async () => {
    await browser?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  async function open(name: string, options: BrowserContextOptions = {}): Promise<Page> {
    problems.length = 0;
    const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
    const page = await context.newPage();
    page.on("console", (message) => problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("request", (request) => {
      if (!/^(file|data|blob):/.test(request.url())) problems.push(request.url());
    });
    await page.goto(pathToFileURL(join(folder, `${name}.html`)).href);
    return page;
  }

  it.each(Object.keys(stories))("the %s page loads silently and fits 320 to 1400 pixels", async (name) => {
    const page = await open(name);
    for (const width of [1400, 960, 820, 600, 400, 320]) {
      await page.setViewportSize({ width, height: 900 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    }
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("shows every picture at its own size, pixel by pixel", async () => {
    const page = await open("usual");
    const sizes = await page.locator("img").evaluateAll((all) =>
      all.map((each) => {
        const image = each as HTMLImageElement;
        return [image.complete, image.naturalWidth, getComputedStyle(image).imageRendering].join(" ");
      }),
    );
    expect(new Set(sizes)).toEqual(new Set(["true 28 pixelated"]));
    // Eight digits, and in three networks a change and its result, but for the one that was not found.
    expect(sizes).toHaveLength(8 + 2 * 23);
    await page.context().close();
  });

  it("switches between the axes, by keyboard too, and says which is shown", async () => {
    const page = await open("usual");
    const figure = page.locator("section", { has: page.locator("#sigma-title") });
    const shown = () =>
      figure
        .locator("[data-variant]:visible")
        .evaluateAll((all) => all.map((each) => each.getAttribute("data-variant")));
    expect(await shown()).toEqual(["log"]);
    await figure.getByRole("button", { name: "Linear" }).focus();
    await page.keyboard.press("Enter");
    expect(await shown()).toEqual(["linear"]);
    expect(await figure.getByRole("button", { name: "Linear" }).getAttribute("aria-pressed")).toBe("true");
    expect(await figure.getByRole("button", { name: "Log" }).getAttribute("aria-pressed")).toBe("false");
    expect(await page.locator("[data-variant='linear']:visible").count()).toBe(2);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("walks through a curve by keyboard and tells its numbers", async () => {
    const page = await open("usual");
    const chart = page.locator("[aria-label^='plain: σ₁']:visible");
    await chart.locator(".column").first().focus();
    expect(await page.locator(".tip").textContent()).toMatch(/^step 1 · linear1 1\.6\d+ · linear2 /);
    await page.keyboard.press("End");
    const { steps, sigma } = stories.usual.networks[0].training;
    const last = sigma.map(({ layer, values }) => `${layer} ${values.at(-1)!.toFixed(3)}`).join(" · ");
    expect(await page.locator(".tip").textContent()).toBe(`step ${steps.at(-1)} · ${last}`);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("saves the drawing that is shown, with names and colours, as an SVG that stands alone", async () => {
    const page = await open("usual");
    for (const id of ["loss", "sigma", "cascade", "robustness"]) {
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.locator(`[data-save-svg='${id}']`).click(),
      ]);
      expect(download.suggestedFilename()).toBe(`lipschitz-tour-${id}.svg`);
      const svg = await readFile(await download.path(), "utf8");
      expect(svg).not.toMatch(/var\(--|NaN|undefined/);
      expect(svg).toMatch(/#b36b00/);
      expect(svg.match(/data-walk/g)).toHaveLength(id === "robustness" ? 1 : 3);
      // Marks of networks at every ε, certified and attacked; those beside names stay on the page.
      expect(svg.match(/class="mark /g) ?? []).toHaveLength(id === "robustness" ? 30 : 0);
      const broken = await page.evaluate(
        (text) =>
          new DOMParser().parseFromString(text, "image/svg+xml").querySelector("parsererror") !== null,
        svg,
      );
      expect(broken).toBe(false);
    }
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("saves the networks and every radius as CSV", async () => {
    const page = await open("usual");
    const saved = async (id: string) => {
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.locator(`[data-save-csv='${id}']`).first().click(),
      ]);
      return (await readFile(await download.path(), "utf8")).trim().split("\r\n");
    };
    expect(await saved("radii")).toHaveLength(2001);
    expect(await saved("training")).toHaveLength(1 + 3 * 900);
    const [head, ...rows] = await saved("networks");
    expect(head).toContain("Lipschitz upper,Certified at 0.1,");
    expect(rows).toHaveLength(3);
    await page.context().close();
  });

  it("tells everything without JavaScript", async () => {
    const page = await open("usual", { javaScriptEnabled: false });
    expect(await page.locator(".controls:visible").count()).toBe(0);
    expect(await page.locator("[data-variant]:visible").count()).toBe(3);
    expect(await page.locator("svg.plot:visible").count()).toBe(10);
    expect(await page.locator(".digits img:visible").count()).toBe(54);
    await page.context().close();
  });

  it("keeps ink dark on light pages and light on dark ones, on paper always dark", async () => {
    const page = await open("usual", { colorScheme: "dark" });
    const filter = () =>
      page
        .locator(".picture.ink")
        .first()
        .evaluate((each) => getComputedStyle(each).filter);
    expect(await filter()).toBe("none");
    await page.getByRole("button", { name: "Light theme" }).click();
    expect(await filter()).toBe("invert(1)");
    await page.getByRole("button", { name: "Dark theme" }).click();
    await page.emulateMedia({ media: "print" });
    expect(await filter()).toBe("invert(1)");
    expect(await page.locator(".controls:visible").count()).toBe(0);
    await page.context().close();
  });
});
