// One cookie of this browser: set to a value or to the address that is open here, or deleted.
export default function ({ data }) {
  const value = data.here ? location.pathname + location.search : data.value;
  const kept = value ? `${encodeURIComponent(value)}; max-age=${data.seconds}` : "; max-age=0";
  document.cookie = `${data.name}=${kept}; path=/; samesite=strict`;
}
