"""The dashboard: everything that knows Streamlit."""
