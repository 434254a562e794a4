// The picture of very many genomes goes when WebGL has drawn them; see picture.py.
window.dash_clientside = Object.assign({}, window.dash_clientside, {
  space: {
    drawn: function () {
      const look = () => {
        const picture = document.getElementById("picture");
        const plot = document.querySelector("#space .js-plotly-plot");
        if (!picture) return;
        if (!plot?._fullLayout?.scene?._scene?.glplot?.objects.length) requestAnimationFrame(look);
        else requestAnimationFrame(() => requestAnimationFrame(() => (picture.hidden = true)));
      };
      look();
      return window.dash_clientside.no_update;
    },
  },
});
