"use strict";

// The renderer would load its maker's logo from elsewhere, which the policy refuses: it is kept from asking, and the
// image without a source is hidden.
const isForeign = (address) => !address.startsWith("data:") && new URL(address, location.href).origin !== location.origin;
const images = HTMLImageElement.prototype;
const { setAttribute } = images;
const source = Object.getOwnPropertyDescriptor(images, "src");
images.setAttribute = function (name, value) {
  if (name === "src" && isForeign(value)) this.hidden = true;
  else setAttribute.call(this, name, value);
};
Object.defineProperty(images, "src", {
  ...source,
  set(value) {
    if (isForeign(value)) this.hidden = true;
    else source.set.call(this, value);
  },
});

begin((described) => {
  Redoc.init(
    described,
    { hideDownloadButton: true, expandResponses: "200", scrollYOffset: ".top", sortRequiredPropsFirst: true },
    byId("reference"),
    (error) => {
      if (error) say(`The document cannot be shown: ${error.message}`);
    },
  );
});
