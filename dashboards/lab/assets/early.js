// Plotly is large: it comes when the page has been seen, since to fetch it earlier delays that.
// Until then a promise of it has its name, for whoever wants to draw to wait for.
if (!window.Plotly)
  window.Plotly = new Promise((done, failed) => {
    const read = () => {
      const script = document.createElement("script");
      script.src = document.querySelector("meta[name=plotly]").content;
      [script.onload, script.onerror] = [done, failed];
      document.head.append(script);
    };
    const waiting = new MutationObserver(async () => {
      if (!document.getElementById("page")?.firstElementChild) return;
      waiting.disconnect();
      await document.getElementById("picture")?.decode().catch(() => {});  // there may be none
      requestAnimationFrame(() => requestAnimationFrame(read));
    });
    waiting.observe(document.documentElement, {childList: true, subtree: true});
  });
