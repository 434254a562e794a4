// A part that is drawn anew while it has the focus has it again: else a keyboard begins at the top.
let focused = null;
addEventListener("focusin", (event) => (focused = event.target));
new MutationObserver(() => {
  if (!focused?.id || focused.isConnected || document.activeElement !== document.body) return;
  document.getElementById(focused.id)?.focus({preventScroll: true});
}).observe(document.documentElement, {childList: true, subtree: true});
