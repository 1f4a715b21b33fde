/** Light and dark by button; until pressed, the page follows the system. Embedded in the page: self-contained. */
export function switchTheme(): void {
  const root = document.documentElement;
  root.classList.add("js");
  const button = document.querySelector<HTMLButtonElement>("[data-theme-switch]");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme === undefined ? system.matches : root.dataset.theme === "dark");
  const label = () => {
    if (button !== null) button.textContent = isDark() ? "Light theme" : "Dark theme";
  };
  button?.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    label();
  });
  system.addEventListener("change", label);
  label();
}
