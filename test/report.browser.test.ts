import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderIndex, renderReport } from "../src/audit/html/report.ts";
import { chainReport, HOSTILE_NAMES, hostileReport, transformerReport } from "./support/sample-reports.ts";

const CHROMIUM = "/usr/bin/chromium";
const present = existsSync(CHROMIUM);
if (!present) console.log(`report.browser.test.ts skipped: no Chromium at ${CHROMIUM}`);

describe.skipIf(!present)("the HTML report in Chromium", () => {
  let browser: Browser;
  let folder: string;
  const problems: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
    folder = await mkdtemp(join(tmpdir(), "lipschitz-report-"));
    await writeFile(join(folder, "chain.html"), renderReport(chainReport()));
    await writeFile(join(folder, "transformer.html"), renderReport(transformerReport()));
    await writeFile(join(folder, "hostile.html"), renderReport(hostileReport()));
    const entries = [
      { href: "chain.html", report: chainReport() },
      { href: "hostile.html", report: hostileReport() },
    ];
    await writeFile(join(folder, "index.html"), renderIndex(entries));
  });

  afterAll(async () => {
    await browser?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  async function open(name: string, options: BrowserContextOptions = {}): Promise<Page> {
    problems.length = 0;
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() !== "log") problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("dialog", (dialog) => {
      problems.push(`dialog ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("request", (request) => {
      if (!/^(file|data|blob):/.test(request.url())) problems.push(`request ${request.url()}`);
    });
    await page.goto(pathToFileURL(join(folder, `${name}.html`)).href);
    return page;
  }

  const phone = { viewport: { width: 375, height: 812 } };

  it.each(["chain", "transformer", "hostile", "index"])(
    "%s loads silently and fits a phone",
    async (name) => {
      const page = await open(name, phone);
      const [content, screen] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.documentElement.clientWidth,
      ]);
      expect(content).toBeLessThanOrEqual(screen!);
      expect(problems).toEqual([]);
      await page.context().close();
    },
  );

  it("sorts by keyboard and tells assistive technology", async () => {
    const page = await open("chain");
    const names = () => page.locator("#layers tbody th").allTextContents();
    await page.locator("#layers thead button", { hasText: /^σ$/ }).focus();
    await page.keyboard.press("Enter");
    expect(await names()).toEqual(["fc1", "conv4", "conv2", "conv1", "conv3", "fc2"]);
    const head = page.locator("#layers thead th", { hasText: /^σ$/ });
    expect(await head.getAttribute("aria-sort")).toBe("descending");
    await page.keyboard.press("Space");
    expect(await names()).toEqual(["fc2", "conv3", "conv1", "conv2", "conv4", "fc1"]);
    expect(await head.getAttribute("aria-sort")).toBe("ascending");
    await page.getByLabel("Filter rows").fill("conv");
    expect(await page.locator("#layers tbody tr:visible").count()).toBe(4);
    expect(await page.locator("output").first().textContent()).toBe("4 of 6");
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("keeps layers without a σ last, whichever way it sorts", async () => {
    const page = await open("transformer");
    const button = page.locator("#layers thead button", { hasText: /^σ$/ });
    for (const _ of ["descending", "ascending"]) {
      await button.click();
      expect(await page.locator("#layers tbody tr").last().getAttribute("data-row")).toBe("17");
    }
    await page.context().close();
  });

  it("shows the chosen layer's singular values, by keyboard and by pointer", async () => {
    const page = await open("chain");
    const name = page.locator("[data-panel-name]");
    const drawing = () => page.locator("[data-panel-chart]").innerHTML();
    expect(await name.textContent()).toBe("fc1");
    const before = await drawing();
    await page.locator(".row[tabindex='0']").focus();
    await page.keyboard.press("Home");
    expect(await name.textContent()).toBe("conv1");
    expect(await drawing()).not.toBe(before);
    expect(await page.locator("[data-panel-facts]").textContent()).toContain("2.305–2.315");
    await page.keyboard.press("ArrowDown");
    expect(await name.textContent()).toBe("conv2");
    expect(await page.locator(".row[aria-selected='true']").count()).toBe(1);
    expect(await page.locator(".row[tabindex='0']").count()).toBe(1);
    await page.locator("#layers tbody tr").nth(5).click();
    expect(await name.textContent()).toBe("fc2");
    await page.locator(".column[data-layer='3']").first().focus();
    await page.keyboard.press("Enter");
    expect(await name.textContent()).toBe("conv4");
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("draws a chosen layer exactly as the renderer would have", async () => {
    const page = await open("chain");
    await page.locator(".row").first().click();
    await page.locator(".row").nth(4).click();
    const drawn = await page.locator("[data-panel-chart] svg.plot").innerHTML();
    await page.reload();
    expect(await page.locator("[data-panel-chart] svg.plot").innerHTML()).toBe(drawn);
    await page.context().close();
  });

  it("shows exact numbers on hover and focus", async () => {
    const page = await open("chain");
    await page.locator(".row").nth(2).hover();
    expect(await page.locator(".tip").textContent()).toBe(
      "conv3 · σ 1.936–1.944 (probable, lanczos) · reshaped kernel 1.0601–1.0612 · Frobenius 6.014",
    );
    await page.locator("svg.plot .column").first().focus();
    expect(await page.locator(".tip").textContent()).toContain("running product 2.315");
    await page.keyboard.press("Escape");
    expect(await page.locator(".tip").isVisible()).toBe(false);
    await page.context().close();
  });

  it("keeps hostile names text, also when chosen and exported", async () => {
    const page = await open("hostile");
    for (const [i, hostile] of HOSTILE_NAMES.slice(0, 5).entries()) {
      await page.locator(".row").nth(i).click();
      expect(await page.locator("[data-panel-name]").textContent()).toBe(hostile);
    }
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.locator("script").count()).toBe(2);
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save CSV" }).click();
    const csv = await readFile(await (await download).path(), "utf8");
    expect(csv).toContain(`"""><svg onload=alert(1)>"`);
    expect(csv).toContain("'=HYPERLINK(1)");
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("saves a chart as an SVG that stands alone", async () => {
    const page = await open("hostile");
    const download = page.waitForEvent("download");
    await page.locator("button[data-save-svg='sigma']").click();
    const file = await (await download).path();
    const svg = await readFile(file, "utf8");
    expect(svg).not.toMatch(/var\(--|NaN|undefined/);
    const valid = await page.evaluate(
      (text) => new DOMParser().parseFromString(text, "image/svg+xml").querySelector("parsererror") === null,
      svg,
    );
    expect(valid).toBe(true);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("follows the system's theme until told otherwise", async () => {
    const page = await open("chain", { colorScheme: "dark" });
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(await background()).toBe("rgb(18, 22, 26)");
    await page.getByRole("button", { name: "Light theme" }).click();
    expect(await background()).toBe("rgb(246, 247, 248)");
    expect(await page.getByRole("button", { name: "Dark theme" }).count()).toBe(1);
    await page.context().close();
  });

  it("tells everything without JavaScript", async () => {
    const page = await open("chain", { javaScriptEnabled: false });
    expect(await page.locator(".row").count()).toBe(6);
    expect(await page.locator("[data-panel-chart] circle").count()).toBe(32);
    expect(await page.locator(".controls:visible").count()).toBe(0);
    await page.context().close();
  });

  it("prints without controls, all rows unfolded, even from the dark theme", async () => {
    const page = await open("transformer", { colorScheme: "dark" });
    await page.getByRole("button", { name: "Light theme" }).click();
    await page.getByRole("button", { name: "Dark theme" }).click();
    await page.emulateMedia({ media: "print" });
    expect(await page.locator(".controls:visible").count()).toBe(0);
    expect(await page.locator(".panel-scroll").evaluate((panel) => panel.clientHeight)).toBeGreaterThan(
      301 * 22,
    );
    expect(
      await page
        .locator("section")
        .first()
        .evaluate((each) => getComputedStyle(each).backgroundColor),
    ).toBe("rgb(255, 255, 255)");
    await page.context().close();
  });
});
