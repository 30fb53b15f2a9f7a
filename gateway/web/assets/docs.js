"use strict";

// Lines are JSON one by one, and no JSON together: they are shown as the text they are.
const LinesAsText = () => ({
  wrapComponents: {
    responseBody: (Original, system) => (properties) => {
      const lines = properties.contentType?.startsWith("application/x-ndjson");
      return system.React.createElement(Original, lines ? { ...properties, contentType: "text/plain" } : properties);
    },
  },
});

begin((described) => {
  const page = SwaggerUIBundle({
    spec: described,
    dom_id: "#reference",
    plugins: [LinesAsText],
    deepLinking: true,
    displayRequestDuration: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    filter: true,
    persistAuthorization: false,
    tryItOutEnabled: true,
    validatorUrl: null,
    requestInterceptor: (request) => Object.assign(request, { userFetch: fetchAndWatch }),
    onComplete: () => {
      if (apiKey) page.preauthorizeApiKey("apiKey", apiKey);
    },
  });
});
