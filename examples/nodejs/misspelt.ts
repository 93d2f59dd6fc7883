// This file must not compile: a parameter and a field of the answer are misspelt. `npm test` checks the errors.
import { startMailServer } from "./mailserver.js";

const { api } = await startMailServer();
const { data } = await api.GET("/testkit/v1/wait", { params: { query: { subjct: "Welcome" } } });
console.log(data?.data[0]?.cod);
