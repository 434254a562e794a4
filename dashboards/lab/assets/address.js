// The address as pages change and follow it; see address.py.
const mine = new Set();  // queries that pages wrote since somebody else moved the address
let writing = false;

addEventListener("popstate", () => mine.clear());
addEventListener("_dashprivate_pushstate", () => writing || mine.clear());  // a link

function goTo(search, replace) {
  mine.add(search);
  if (location.search === search) return;
  const whole = location.pathname + search + location.hash;
  writing = true;
  if (replace) history.replaceState(null, "", whole);
  else history.pushState(null, "", whole);
  dispatchEvent(new CustomEvent("_dashprivate_pushstate"));  // as Dash's own links tell it
  writing = false;
}

window.dash_clientside = Object.assign({}, window.dash_clientside, {
  address: {
    go: function (told) {
      const here = location.pathname === "/" ? "/evolution" : location.pathname;
      // An answer may come after somebody went back: only what was asked from here counts.
      const asked = told && (location.search === told.since || mine.has(location.search));
      if (asked && told.path === here) goTo(told.search, told.replace);
      return window.dash_clientside.no_update;
    },
    follow: function (search) {
      return mine.has(search) ? window.dash_clientside.no_update : search;
    },
  },
});
